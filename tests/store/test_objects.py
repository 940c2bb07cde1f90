"""The content-addressed store holds whole objects, and mends damaged ones."""

from pathlib import Path

import pytest

from ml_workflows.store.digests import digest_bytes
from ml_workflows.store.objects import ObjectStore

CONTENT = b"an artifact"
DIGEST = digest_bytes(CONTENT)


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return ObjectStore(tmp_path / "objects")


def add(store: ObjectStore, content: bytes = CONTENT) -> str:
    return store.add_bytes(content, scratch=store.root.parent / "scratch")


def damage(path: Path, content: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(content)


def test_an_object_is_found_by_the_digest_of_its_content(store: ObjectStore) -> None:
    assert add(store) == DIGEST
    assert store.holds(DIGEST)
    assert store.path(DIGEST).read_bytes() == CONTENT


def test_an_object_that_was_never_added_is_not_held(store: ObjectStore) -> None:
    assert not store.holds(DIGEST)


def test_the_same_content_is_stored_once(store: ObjectStore) -> None:
    add(store)
    before = store.path(DIGEST).stat().st_ino
    add(store)
    assert store.path(DIGEST).stat().st_ino == before
    assert len([path for path in store.root.rglob("*") if path.is_file()]) == 1


@pytest.mark.parametrize("damaged", [b"", CONTENT[:-1], CONTENT + b"\0", b"An artifact"])
def test_a_damaged_object_is_not_held_and_mended_by_adding_it_again(
    store: ObjectStore, damaged: bytes
) -> None:
    add(store)
    damage(store.path(DIGEST), damaged)
    assert not store.holds(DIGEST)
    add(store)
    assert store.holds(DIGEST)
    assert store.path(DIGEST).read_bytes() == CONTENT


def test_a_deleted_object_is_not_held_and_can_be_added_again(store: ObjectStore) -> None:
    add(store)
    store.path(DIGEST).unlink()
    assert not store.holds(DIGEST)
    add(store)
    assert store.holds(DIGEST)


def test_objects_are_read_only(store: ObjectStore) -> None:
    add(store)
    assert store.path(DIGEST).stat().st_mode & 0o222 == 0


def test_an_object_gets_a_readable_name_without_being_copied(
    store: ObjectStore, tmp_path: Path
) -> None:
    add(store)
    name = tmp_path / "run" / "step" / "model.onnx"
    store.lay_out(DIGEST, name)
    assert name.samefile(store.path(DIGEST))


def test_a_readable_name_that_exists_is_replaced(store: ObjectStore, tmp_path: Path) -> None:
    add(store)
    name = tmp_path / "model.onnx"
    name.write_bytes(b"of another run")
    store.lay_out(DIGEST, name)
    assert name.read_bytes() == CONTENT
    assert {path.name for path in tmp_path.iterdir()} == {"model.onnx", "objects", "scratch"}


def test_laying_out_twice_is_harmless(store: ObjectStore, tmp_path: Path) -> None:
    add(store)
    store.lay_out(DIGEST, tmp_path / "name")
    store.lay_out(DIGEST, tmp_path / "name")
    assert (tmp_path / "name").read_bytes() == CONTENT
    assert store.holds(DIGEST)


def test_mending_an_object_leaves_the_other_objects_alone(store: ObjectStore) -> None:
    other = add(store, b"another artifact")
    add(store)
    damage(store.path(DIGEST), b"damaged")
    add(store)
    assert store.holds(other)
