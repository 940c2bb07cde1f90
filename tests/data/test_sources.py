"""A folder's listing: every photo, every other file, whatever their names."""

import os
import random
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workflows.data.sources import ListedPhoto, Listing, LocalFolder, open_source
from ml_workflows.errors import DataFault
from ml_workflows.store.digests import digest_bytes
from tests.data.photo_files import encoded, fill, jpeg, noise

PHOTO = jpeg()
HOSTILE_NAMES = (
    "it's.jpg",
    'quo"ted".jpg',
    "new\nline.jpg",
    "<script>alert(1)<script>.jpg",
    "\u202egpj.exe.jpg",
    "\u200fmarked.jpg",
    "$(reboot) `x` %s {0}.jpg",
    "back\\slash.jpg",
    "{{ 7 * 7 }}.jpg",
    "\x1b[31m.jpg",
    "☃.jpg",
    "e\u0301.jpg",
    "line\u2028separator.jpg",
    " .jpg",
    "x" * 251 + ".jpg",
)
BYTES_NAMES = pytest.mark.skipif(
    sys.platform != "linux", reason="other systems take only names that are text"
)

texts = st.text(st.characters())
photos = st.builds(
    ListedPhoto,
    key=texts,
    label=texts,
    bytes=st.integers(0, 2**63),
    sha256=st.binary(max_size=50).map(digest_bytes),
)
listings = st.builds(
    Listing, photos=st.lists(photos).map(tuple), ignored=st.lists(texts).map(tuple)
)


def listing(root: Path) -> Listing:
    return open_source(str(root)).list(advance=lambda _: None)


def keys(root: Path) -> list[str]:
    return [photo.key for photo in listing(root).photos]


def test_a_photo_is_listed_with_its_label_size_and_digest(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO})
    [photo] = listing(tmp_path).photos
    assert photo == ListedPhoto(
        key="snow/a.jpg", label="snow", bytes=len(PHOTO), sha256=digest_bytes(PHOTO)
    )


def test_a_photo_larger_than_one_piece_has_the_digest_of_all_its_bytes(tmp_path: Path) -> None:
    content = PHOTO + bytes(3_000_000)
    fill(tmp_path, {"snow/a.jpg": content})
    [photo] = listing(tmp_path).photos
    assert (photo.bytes, photo.sha256) == (len(content), digest_bytes(content))


def test_nested_folders_belong_to_the_class_of_the_outermost(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/2025/january/a.jpg": PHOTO, "rain/b.jpg": PHOTO})
    labels = {photo.key: photo.label for photo in listing(tmp_path).photos}
    assert labels == {"rain/b.jpg": "rain", "snow/2025/january/a.jpg": "snow"}


@pytest.mark.parametrize("suffix", ["JPG", "Jpeg", "PNG", "WEBP", "bmp", "gif", "TIFF", "tif"])
def test_suffixes_count_in_any_case(tmp_path: Path, suffix: str) -> None:
    fill(tmp_path, {f"snow/a.{suffix}": b"whatever it holds"})
    assert keys(tmp_path) == [f"snow/a.{suffix}"]


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_a_photo_without_suffix_is_found_by_its_content(tmp_path: Path, image_format: str) -> None:
    fill(tmp_path, {"snow/a": encoded(noise(), image_format)})
    assert keys(tmp_path) == ["snow/a"]


def test_a_photo_with_the_suffix_of_a_text_is_found_by_its_content(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.txt": PHOTO})
    assert keys(tmp_path) == ["snow/a.txt"]


def test_a_text_with_the_suffix_of_a_photo_is_listed(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": b"no photo", "snow/empty.png": b""})
    assert keys(tmp_path) == ["snow/a.jpg", "snow/empty.png"]


def test_other_files_are_no_photos_but_are_told(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO, "snow/notes.txt": b"cold", "labels.csv": b""})
    assert listing(tmp_path).ignored == ("labels.csv", "snow/notes.txt")


def test_what_systems_leave_behind_is_neither_photo_nor_class(tmp_path: Path) -> None:
    left = (".DS_Store", "Thumbs.db", "THUMBS.DB", "desktop.ini", "Icon\r", "._a.jpg", ".a.jpg")
    fill(tmp_path, {f"snow/{name}": PHOTO for name in left})
    fill(tmp_path, {f"{name}": PHOTO for name in left})
    folders = (".git", ".ipynb_checkpoints", "__MACOSX", "@eaDir")
    fill(tmp_path, {f"{folder}/a.jpg": PHOTO for folder in folders})
    assert listing(tmp_path) == Listing(photos=(), ignored=())


def test_an_empty_folder_is_an_empty_listing(tmp_path: Path) -> None:
    (tmp_path / "snow").mkdir()
    assert listing(tmp_path) == Listing(photos=(), ignored=())


def test_a_photo_beside_the_class_folders_has_no_label(tmp_path: Path) -> None:
    fill(tmp_path, {"a.jpg": PHOTO, "snow/b.jpg": PHOTO})
    assert [photo.label for photo in listing(tmp_path).photos] == ["", "snow"]


def test_a_hidden_folder_may_hold_the_classes(tmp_path: Path) -> None:
    fill(tmp_path / ".photos", {"snow/a.jpg": PHOTO})
    assert keys(tmp_path / ".photos") == ["snow/a.jpg"]


def test_photos_lie_in_the_order_of_their_keys(tmp_path: Path) -> None:
    wanted = ["a-b/1.jpg", "a/1.jpg", "a/b-c/1.jpg", "a/b.jpg", "a/b/1.jpg", "a/c.jpg", "b.jpg"]
    fill(tmp_path, dict.fromkeys(reversed(wanted), PHOTO))
    assert keys(tmp_path) == wanted == sorted(wanted)


def test_every_photo_is_counted_once(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO, "rain/b.jpg": PHOTO, "notes.txt": b""})
    counted: list[int] = []
    LocalFolder(tmp_path).list(advance=counted.append)
    assert sum(counted) == 2


def test_the_order_in_which_a_system_lists_does_not_matter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = [f"{c}/{c}{d}/{n}.jpg" for c in "cab" for d in "21" for n in "zxy"]
    fill(tmp_path, dict.fromkeys(names, PHOTO) | {"b/notes.txt": b"", "a/notes.txt": b""})
    text = listing(tmp_path).to_text()
    scandir = os.scandir

    class Shuffled:
        """What ``os.scandir`` gives, in an order of its own."""

        def __init__(self, folder: str) -> None:
            with scandir(folder) as entries:
                self.entries = list(entries)
            random.Random(1).shuffle(self.entries)

        def __enter__(self) -> "Shuffled":
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def __iter__(self) -> "Shuffled":
            return self

        def __next__(self) -> "os.DirEntry[str]":
            if not self.entries:
                raise StopIteration
            return self.entries.pop()

    monkeypatch.setattr(os, "scandir", Shuffled)
    assert listing(tmp_path).to_text() == text


def test_the_place_of_the_folder_does_not_matter(tmp_path: Path) -> None:
    files = {"snow/a.jpg": PHOTO, "rain/b.jpg": jpeg(seed=1), "notes.txt": b""}
    here, there = fill(tmp_path / "here", files), fill(tmp_path / "there", files)
    assert listing(here).to_text() == listing(there).to_text()


def test_a_relative_folder_gives_the_same_listing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO})
    monkeypatch.chdir(tmp_path)
    assert listing(Path()) == listing(tmp_path)


def test_one_changed_byte_changes_the_listing(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO, "snow/b.jpg": PHOTO})
    before = listing(tmp_path).to_text()
    fill(tmp_path, {"snow/b.jpg": PHOTO[:-1] + bytes([PHOTO[-1] ^ 1])})
    after = listing(tmp_path).to_text()
    assert before != after
    assert before.splitlines()[0] == after.splitlines()[0]


def test_renaming_a_class_changes_the_listing(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO})
    before = listing(tmp_path).to_text()
    (tmp_path / "snow").rename(tmp_path / "rain")
    assert listing(tmp_path).to_text() != before


@pytest.mark.parametrize("name", HOSTILE_NAMES)
def test_hostile_names_survive(tmp_path: Path, name: str) -> None:
    label = name.removesuffix(".jpg")
    fill(tmp_path, {f"{label}/{name}": PHOTO})
    found = listing(tmp_path)
    assert Listing.from_text(found.to_text()) == found
    [photo] = found.photos
    assert (photo.key, photo.label) == (f"{label}/{name}", label)
    assert LocalFolder(tmp_path).read(photo.key) == PHOTO


@BYTES_NAMES
def test_a_name_that_is_no_text_is_listed_as_unreadable(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/snow"
    os.mkdir(folder)  # noqa: PTH102 -- pathlib takes no bytes
    with open(folder + b"/caf\xe9.jpg", "wb") as file:  # noqa: PTH123
        file.write(PHOTO)
    found = listing(tmp_path)
    [photo] = found.photos
    assert (photo.key, photo.label, photo.sha256) == ("snow/caf\\xe9.jpg", "", "")
    assert Listing.from_text(found.to_text().encode().decode()) == found


@BYTES_NAMES
def test_a_text_file_whose_name_is_no_text_is_told_as_no_photo(tmp_path: Path) -> None:
    with open(os.fsencode(tmp_path) + b"/caf\xe9.txt", "wb") as file:  # noqa: PTH123
        file.write(b"menu")
    assert listing(tmp_path) == Listing(photos=(), ignored=("caf\\xe9.txt",))


def test_a_linked_folder_is_followed(tmp_path: Path) -> None:
    fill(tmp_path / "elsewhere", {"a.jpg": PHOTO})
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "snow").symlink_to(tmp_path / "elsewhere")
    assert keys(tmp_path / "photos") == ["snow/a.jpg"]


def test_a_folder_that_is_linked_twice_is_listed_once(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO})
    (tmp_path / "white").symlink_to(tmp_path / "snow")
    (tmp_path / "winter").symlink_to(tmp_path / "snow")
    assert keys(tmp_path) == ["snow/a.jpg"]


@pytest.mark.parametrize("target", ["..", ".", "../snow", "loop"])
def test_a_loop_of_links_ends(tmp_path: Path, target: str) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO})
    (tmp_path / "snow" / "loop").symlink_to(target)
    assert [key for key in keys(tmp_path) if key.endswith(".jpg")] == ["snow/a.jpg"]


def test_a_linked_photo_is_listed(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO})
    (tmp_path / "snow" / "b.jpg").symlink_to("a.jpg")
    a, b = listing(tmp_path).photos
    assert a.sha256 == b.sha256


def test_a_photo_that_cannot_be_opened_is_listed_as_unreadable(tmp_path: Path) -> None:
    (tmp_path / "snow").mkdir()
    (tmp_path / "snow" / "a.jpg").symlink_to("gone")
    [photo] = listing(tmp_path).photos
    assert (photo.key, photo.sha256) == ("snow/a.jpg", "")


def test_a_missing_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match=r"not there.*Give --data a folder") as caught:
        open_source(str(tmp_path / "photos"))
    assert str(tmp_path / "photos") in str(caught.value)


def test_a_file_in_place_of_a_folder_is_refused(tmp_path: Path) -> None:
    fill(tmp_path, {"photos.zip": b""})
    with pytest.raises(DataFault, match="not a folder"):
        open_source(str(tmp_path / "photos.zip"))


@pytest.mark.parametrize("uri", ["gs://bucket/photos", "s3://bucket", "https://a.org/b.zip"])
def test_a_bucket_is_refused_with_what_to_do(uri: str) -> None:
    with pytest.raises(DataFault, match=r"only local folders.*Copy the photos") as caught:
        open_source(uri)
    assert uri in str(caught.value)


def test_a_photo_that_is_gone_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataFault, match=r"'snow/a\.jpg' cannot be read: No such file"):
        LocalFolder(tmp_path).read("snow/a.jpg")


@settings(deadline=None)
@given(written=listings)
def test_any_listing_is_read_as_it_was_written(written: Listing) -> None:
    assert Listing.from_text(written.to_text().encode("utf-8").decode("utf-8")) == written


@settings(deadline=None)
@given(one=listings, other=listings)
def test_different_listings_have_different_texts(one: Listing, other: Listing) -> None:
    assert (one == other) == (one.to_text() == other.to_text())


def test_a_pipe_is_no_photo_and_is_not_waited_for(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.jpg": PHOTO})
    os.mkfifo(tmp_path / "snow" / "pipe.jpg")
    listing = LocalFolder(tmp_path).list(advance=lambda _: None)
    assert [photo.key for photo in listing.photos] == ["snow/a.jpg"]
    assert listing.ignored == ("snow/pipe.jpg",)


def test_a_link_does_not_take_the_photos_of_the_class_that_it_leads_to(tmp_path: Path) -> None:
    fill(tmp_path, {"rain/a.jpg": PHOTO, "snow/b.jpg": PHOTO})
    (tmp_path / "rain" / "link").symlink_to(tmp_path / "snow")
    listing = LocalFolder(tmp_path).list(advance=lambda _: None)
    assert [photo.label for photo in listing.photos] == ["rain", "snow"]


def test_photos_of_formats_that_are_not_read_are_not_overlooked(tmp_path: Path) -> None:
    fill(tmp_path, {"snow/a.heic": b"....ftypheic", "snow/b.AVIF": b"....ftypavif"})
    listing = LocalFolder(tmp_path).list(advance=lambda _: None)
    assert [photo.key for photo in listing.photos] == ["snow/a.heic", "snow/b.AVIF"]


def test_an_empty_name_is_no_folder() -> None:
    with pytest.raises(DataFault, match="names no folder"):
        open_source("")
