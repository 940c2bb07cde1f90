"""The photo cache never gives a wrong value, and loses none when processes write at once."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from ml_workflows.errors import HomeFault
from ml_workflows.store.digests import digest_bytes
from ml_workflows.store.photo_cache import PhotoCache

CONTEXT = digest_bytes(b"decoder 1")
VALUE = bytes(range(256)) * 4
PHOTOS = [digest_bytes(f"photo {number}".encode()) for number in range(1200)]
PHOTO = PHOTOS[0]
WRITE_ONE_BY_ONE = """
import hashlib, sys
from pathlib import Path
from ml_workflows.store.photo_cache import PhotoCache
_, folder, context, start, stop = sys.argv
cache = PhotoCache(Path(folder), kind="facts", context=context)
for number in range(int(start), int(stop)):
    name = f"photo {number}".encode()
    cache.put([(hashlib.sha256(name).hexdigest(), name)])
cache.close()
"""

Open = Callable[..., PhotoCache]


@pytest.fixture
def open_cache(tmp_path: Path) -> Iterator[Open]:
    opened = []

    def open_one(
        *, kind: str = "facts", context: str = CONTEXT, max_bytes: int | None = None
    ) -> PhotoCache:
        cache = PhotoCache(tmp_path / "photos", kind=kind, context=context, max_bytes=max_bytes)
        opened.append(cache)
        return cache

    yield open_one
    for cache in opened:
        cache.close()


def written(open_cache: Open, values: dict[str, bytes]) -> Path:
    with closing(open_cache()) as cache:
        cache.put(values.items())
        return cache.path


def test_values_are_found_again_after_closing(open_cache: Open) -> None:
    written(open_cache, {PHOTO: VALUE, PHOTOS[1]: b""})
    assert open_cache().get(PHOTOS[:3]) == {PHOTO: VALUE, PHOTOS[1]: b""}


def test_many_values_are_found_in_one_question(open_cache: Open) -> None:
    values = {photo: photo.encode() for photo in PHOTOS}
    written(open_cache, values)
    assert open_cache().get(PHOTOS) == values


def test_a_value_that_is_put_again_replaces_the_old_one(open_cache: Open) -> None:
    cache = open_cache()
    cache.put([(PHOTO, b"old")])
    cache.put([(PHOTO, b"new")])
    assert cache.get([PHOTO]) == {PHOTO: b"new"}


def test_asking_and_putting_nothing_is_harmless(open_cache: Open) -> None:
    cache = open_cache()
    cache.put([])
    assert cache.get([]) == {}


@pytest.mark.parametrize("position", [0, 100, len(VALUE) - 1])
def test_a_flipped_byte_of_a_value_is_a_miss(open_cache: Open, position: int) -> None:
    path = written(open_cache, {PHOTO: VALUE, PHOTOS[1]: b"other"})
    content = bytearray(path.read_bytes())
    content[content.index(VALUE) + position] ^= 1
    path.write_bytes(content)
    cache = open_cache()
    assert cache.get(PHOTOS[:2]) == {PHOTOS[1]: b"other"}
    cache.put([(PHOTO, VALUE)])
    assert cache.get([PHOTO]) == {PHOTO: VALUE}


def test_a_value_under_another_photos_digest_is_a_miss(open_cache: Open) -> None:
    path = written(open_cache, {PHOTO: VALUE})
    content = path.read_bytes()
    path.write_bytes(content.replace(bytes.fromhex(PHOTO), bytes.fromhex(PHOTOS[1])))
    assert open_cache().get([PHOTO, PHOTOS[1]]) == {}


@pytest.mark.parametrize("content", [b"", b"garbage", b"garbage" * 100_000])
def test_a_file_that_is_overwritten_with_garbage_is_begun_anew(
    open_cache: Open, content: bytes
) -> None:
    written(open_cache, {PHOTO: VALUE}).write_bytes(content)
    cache = open_cache()
    assert cache.get([PHOTO]) == {}
    cache.put([(PHOTO, VALUE)])
    assert cache.get([PHOTO]) == {PHOTO: VALUE}


@pytest.mark.parametrize("kept_pages", [1, 2, 3])
def test_a_truncated_file_gives_whole_values_or_none(open_cache: Open, kept_pages: int) -> None:
    values = dict.fromkeys(PHOTOS[:300], VALUE)
    path = written(open_cache, values)
    path.write_bytes(path.read_bytes()[: kept_pages * 65536])
    cache = open_cache()
    assert set(cache.get(PHOTOS).values()) <= {VALUE}
    cache.put([(PHOTO, VALUE)])
    assert cache.get([PHOTO]) == {PHOTO: VALUE}


def test_another_context_is_another_file(open_cache: Open) -> None:
    here = open_cache()
    there = open_cache(context=digest_bytes(b"decoder 2"))
    here.put([(PHOTO, VALUE)])
    assert there.get([PHOTO]) == {}
    assert here.path != there.path


def test_another_kind_is_another_file(open_cache: Open) -> None:
    facts, pixels = open_cache(kind="facts"), open_cache(kind="pixels")
    facts.put([(PHOTO, VALUE)])
    assert pixels.get([PHOTO]) == {}


def test_a_full_cache_keeps_nothing_more_and_loses_nothing(open_cache: Open) -> None:
    written(open_cache, dict.fromkeys(PHOTOS[:300], VALUE))
    cache = open_cache(max_bytes=200_000)
    before = cache.path.stat().st_size
    cache.put([(PHOTOS[-1], VALUE)])
    cache.close()
    assert before == cache.path.stat().st_size >= 200_000
    assert open_cache().get([PHOTO, PHOTOS[-1]]) == {PHOTO: VALUE}


def test_a_cache_below_its_bound_keeps_more(open_cache: Open) -> None:
    cache = open_cache(max_bytes=10_000_000)
    cache.put([(PHOTO, VALUE)])
    assert cache.get([PHOTO]) == {PHOTO: VALUE}


def test_two_processes_that_write_at_once_lose_nothing(open_cache: Open, tmp_path: Path) -> None:
    open_cache().close()
    halves = [("0", "150"), ("100", "250")]
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE_ONE_BY_ONE, str(tmp_path / "photos"), CONTEXT, *half]
        )
        for half in halves
    ]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    found = open_cache().get(PHOTOS)
    assert found == {PHOTOS[n]: f"photo {n}".encode() for n in range(250)}


def test_what_one_process_has_put_another_open_cache_sees(open_cache: Open) -> None:
    one, other = open_cache(), open_cache()
    one.put([(PHOTO, VALUE)])
    assert other.get([PHOTO]) == {PHOTO: VALUE}


def test_a_folder_that_cannot_be_opened_as_a_file_is_a_fault_of_the_home(
    open_cache: Open, tmp_path: Path
) -> None:
    path = open_cache(kind="pixels").path
    (tmp_path / "photos" / path.name.replace("pixels", "facts")).mkdir()
    with pytest.raises(HomeFault, match="cannot be written"):
        open_cache()


def test_a_file_whose_later_pages_are_damaged_still_takes_new_values(open_cache: Open) -> None:
    path = written(open_cache, dict.fromkeys(PHOTOS[:300], VALUE))
    content = path.read_bytes()
    path.write_bytes(content[:65536] + b"\xaa" * (len(content) - 65536))
    cache = open_cache()
    cache.put([(PHOTO, VALUE)])
    assert cache.get([PHOTO]) == {PHOTO: VALUE}
