"""Files are written whole or not at all; one value has one text."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workflows.store.digests import (
    canonical_json,
    digest_bytes,
    digest_file,
    digest_value,
    write_whole,
    written_whole,
)

NUMBER = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALAR = st.none() | st.booleans() | NUMBER | st.text(max_size=5)
PLAIN = SCALAR | st.lists(SCALAR, max_size=3)


def test_an_exception_inside_the_block_leaves_the_old_file_and_nothing_else(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), written_whole(path) as temporary:
        temporary.write_bytes(b"half of the ne")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_first_write_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), written_whole(tmp_path / "file") as temporary:
        temporary.write_bytes(b"half")
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_reader_sees_the_old_content_until_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with written_whole(path) as temporary:
        temporary.write_bytes(b"new")
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_whoever_has_the_old_file_open_reads_it_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old content")
    with path.open("rb") as reader:
        start = reader.read(4)
        write_whole(path, b"other")
        assert start + reader.read() == b"old content"


def test_folders_on_the_way_are_made(tmp_path: Path) -> None:
    write_whole(tmp_path / "a" / "b" / "file", b"content")
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b"content"


@settings(deadline=None)
@given(content=st.binary())
def test_a_digest_is_the_sha256_in_hexadecimal(content: bytes) -> None:
    assert digest_bytes(content) == hashlib.sha256(content).hexdigest()


def test_a_file_has_the_digest_of_its_bytes(tmp_path: Path) -> None:
    content = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(content)
    assert digest_file(tmp_path / "file") == digest_bytes(content)


@settings(deadline=None)
@given(values=st.dictionaries(st.text(max_size=5), PLAIN, max_size=5))
def test_the_order_of_keys_does_not_matter(values: dict[str, object]) -> None:
    backwards = dict(reversed(values.items()))
    assert digest_value(values) == digest_value(backwards)


@settings(deadline=None)
@given(one=PLAIN, other=PLAIN)
def test_values_with_the_same_text_are_the_same(one: object, other: object) -> None:
    if canonical_json(one) == canonical_json(other):
        assert repr(one) == repr(other) or one == other


@pytest.mark.parametrize(
    ("one", "other"), [(1, 1.0), (1, "1"), ([1, 2], [2, 1]), (["a", "b"], ["ab"]), (None, "null")]
)
def test_values_that_look_alike_have_different_digests(one: object, other: object) -> None:
    assert digest_value(one) != digest_value(other)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {"a": [float("nan")]}])
def test_what_json_cannot_say_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        digest_value(value)
