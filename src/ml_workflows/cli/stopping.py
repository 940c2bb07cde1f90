"""Signals that ask the process to end, as an exception in the main thread."""

from __future__ import annotations

import signal
import sys
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
#: After so long the exception is raised again, should something have swallowed it: Python does in
#: destructors, and some libraries do while they are imported.
REMIND_SECONDS = 0.2


class Stopped(BaseException):
    """The process was asked to end. No KeyboardInterrupt: click would make it its own."""

    def __init__(self, number: int) -> None:
        super().__init__(f"stopped by {signal.Signals(number).name}")
        self.number = number


class Stopping:
    """Within its block the signals raise :class:`Stopped` until that leaves the block."""

    def __init__(self) -> None:
        self._number = 0

    def __enter__(self) -> None:
        for number in SIGNALS:
            signal.signal(number, self._stop)
        signal.signal(signal.SIGALRM, self._remind)

    def __exit__(self, *error: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in SIGNALS:
            signal.signal(number, signal.SIG_DFL)

    def _stop(self, number: int, frame: FrameType | None) -> None:
        self._number = number
        self._remind(signal.SIGALRM, frame)

    def _remind(self, number: int, frame: FrameType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, REMIND_SECONDS)
        if not isinstance(sys.exc_info()[1], Stopped):  # else it is on its way, cleaning up
            raise Stopped(self._number)
