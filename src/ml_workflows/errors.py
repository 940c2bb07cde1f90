"""The errors that a user can cause or mend, and how they speak.

    Exception
    └── UserFault             exit code 2; says what, where, the value seen and what to do
        ├── ParameterFault    a parameter, flag or configuration key
        ├── DataFault         the photos: missing, changed, too few, too many broken
        ├── WeightsFault      the weights file: missing, of another network, of another digest
        ├── HomeFault         the home: unknown run, not writable, full
        └── AgreementFault    the models of one run do not give the same answers

Anything else that escapes is our own fault and exits with 1.
"""

from __future__ import annotations


class UserFault(Exception):
    """A fault that the user can mend; the message ends with how."""

    def __init__(self, what: str, *, remedy: str, seen: object = None) -> None:
        """``what`` is wrong and where; ``seen`` the offending value; ``remedy`` what to do."""
        super().__init__(what, remedy, seen)
        self.what = what
        self.remedy = remedy
        self.seen = seen

    def __str__(self) -> str:
        seen = "" if self.seen is None else f" (seen: {printable(str(self.seen))})"
        return f"{printable(self.what)}{seen}. {self.remedy}"


class ParameterFault(UserFault):
    """A parameter, flag or configuration key is unknown or out of range."""


class DataFault(UserFault):
    """The photos are missing, changed, too few, or too many of them are broken."""


class WeightsFault(UserFault):
    """The weights cannot be had, or belong to another network."""


class HomeFault(UserFault):
    """The home cannot be read or written, or holds no such run."""


class AgreementFault(UserFault):
    """The PyTorch and ONNX models of one run disagree beyond the stated tolerance."""


FAULTS = {
    fault.__name__: fault
    for fault in (UserFault, ParameterFault, DataFault, WeightsFault, HomeFault, AgreementFault)
}


def printable(text: str) -> str:
    """``text`` with control and direction characters escaped: names from data are hostile."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
