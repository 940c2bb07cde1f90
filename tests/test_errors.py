"""A refusal says what, where, the value seen and what to do, on one line of harmless text."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workflows.errors import FAULTS, DataFault, UserFault, printable

ESCAPE = "\x1b[2J"
RIGHT_TO_LEFT = "\u202egpj.exe"


def test_a_fault_says_what_was_seen_and_what_to_do() -> None:
    fault = DataFault("there are no photos", seen="3 other files", remedy="Add photos.")
    assert str(fault) == "there are no photos (seen: 3 other files). Add photos."


def test_a_fault_that_saw_nothing_does_not_say_so() -> None:
    assert str(DataFault("there are no photos", remedy="Add some.")) == (
        "there are no photos. Add some."
    )


def test_a_seen_zero_is_told() -> None:
    assert "(seen: 0)" in str(DataFault("too few photos", seen=0, remedy="Add some."))


def test_names_cannot_steer_the_terminal() -> None:
    fault = DataFault(f"photo {ESCAPE}", seen=f"{RIGHT_TO_LEFT}\nline", remedy="Rename it.")
    assert str(fault) == r"photo \x1b[2J (seen: \u202egpj.exe\nline). Rename it."


@settings(deadline=None)
@given(text=st.text(st.characters()))
def test_printable_text_is_printable_and_can_be_written(text: str) -> None:
    assert printable(text).isprintable()
    assert printable(text).encode("utf-8").decode("utf-8") == printable(text)


@settings(deadline=None)
@given(text=st.text(st.characters(categories=("L", "N", "P", "S"))))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_found_by_its_name(name: str) -> None:
    assert FAULTS[name].__name__ == name
    assert issubclass(FAULTS[name], UserFault)


def test_no_fault_is_left_out_of_the_table() -> None:
    assert set(FAULTS.values()) == {UserFault, *UserFault.__subclasses__()}
