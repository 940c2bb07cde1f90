"""The home keeps scratch work apart, and a home that cannot be written is a fault with a remedy."""

import errno
import subprocess
import sys
from pathlib import Path

import pytest

from ml_workflows.errors import HomeFault
from ml_workflows.store.home import Home

WORK_AND_DIE = """
import os, sys
from pathlib import Path
from ml_workflows.store.home import Home
scratch = Home(Path(sys.argv[1])).scratch()
(scratch.__enter__() / "unfinished").write_bytes(b"work")
os._exit(0)
"""


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def test_a_scratch_folder_is_gone_at_the_end(home: Home) -> None:
    with home.scratch() as folder:
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_bytes(b"work")
    assert not folder.exists()


def test_a_scratch_folder_is_gone_after_an_exception(home: Home) -> None:
    with pytest.raises(RuntimeError), home.scratch() as folder:
        raise RuntimeError
    assert not folder.exists()


def test_scratch_folders_are_not_shared(home: Home) -> None:
    with home.scratch() as one, home.scratch() as other:
        assert one != other


def test_the_scratch_folder_of_a_process_that_died_is_swept(home: Home) -> None:
    subprocess.run([sys.executable, "-c", WORK_AND_DIE, str(home.root)], check=True, timeout=60)
    assert len(list(home.root.rglob("unfinished"))) == 1
    home.sweep()
    assert [path for path in home.root.rglob("*") if path.name != "scratch"] == []


def test_sweeping_leaves_the_work_of_the_living_alone(home: Home) -> None:
    with home.scratch() as folder:
        (folder / "unfinished").write_bytes(b"work")
        home.sweep()
        assert (folder / "unfinished").read_bytes() == b"work"


def test_sweeping_a_home_that_is_not_there_makes_none(home: Home) -> None:
    home.sweep()
    assert not home.root.exists()


def test_a_home_can_be_made_anywhere_below_a_folder(tmp_path: Path) -> None:
    Home(tmp_path / "a" / "b").check_writable()


def test_looking_whether_a_home_is_writable_leaves_nothing_in_it(home: Home) -> None:
    home.check_writable()
    assert [path for path in home.root.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("below", ["", "home"])
def test_a_home_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(HomeFault, match="cannot be written") as caught:
        Home(tmp_path / "file" / below).check_writable()
    assert str(tmp_path / "file") in str(caught.value)
    assert "--home" in str(caught.value)


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES])
def test_a_full_or_closed_disk_is_a_fault_of_the_home(home: Home, number: int) -> None:
    with pytest.raises(HomeFault, match="Free some space"), home.faults():
        raise OSError(number, "refused")


def test_another_error_stays_what_it_is(home: Home) -> None:
    with pytest.raises(TimeoutError), home.faults():
        raise TimeoutError(errno.ETIMEDOUT, "too late")


def test_a_relative_home_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    home = Home(Path("home"))
    monkeypatch.chdir("/")
    assert home.root == tmp_path / "home"
