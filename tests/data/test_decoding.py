"""A photo's bytes become upright 8-bit RGB, or are refused with a reason."""

import io
import struct
import zlib

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from ml_workflows.data.decoding import (
    FORMATS,
    Decoded,
    Undecodable,
    decode,
    decoder_versions,
    looks_like_photo,
)
from ml_workflows.data.preprocessing import to_pixels
from tests.data.photo_files import encoded, jpeg, noise

MAX_BYTES = 10_000_000
MAX_PIXELS = 1_000_000
LOSSLESS = ("PNG", "BMP", "TIFF")
ORIENTATION = 0x0112
ORIENTATIONS = range(1, 9)
BASES = tuple(encoded(noise(), image_format) for image_format in FORMATS)


def decoded(content: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> Decoded:
    return decode(content, max_photo_bytes=max_bytes, max_photo_pixels=max_pixels)


def pixels(content: bytes) -> npt.NDArray[np.uint8]:
    image = decoded(content).image
    assert image.mode == "RGB"
    return np.asarray(image)


def reason(content: bytes, *, max_bytes: int = MAX_BYTES, max_pixels: int = MAX_PIXELS) -> str:
    with pytest.raises(Undecodable) as caught:
        decoded(content, max_bytes=max_bytes, max_pixels=max_pixels)
    assert caught.value.detail
    return caught.value.reason


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + check

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def grey_ramp() -> npt.NDArray[np.uint8]:
    return np.arange(256, dtype=np.uint8).reshape(16, 16)


def as_rgb(grey: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    return np.repeat(grey[..., None], 3, axis=2)


@pytest.mark.parametrize("image_format", LOSSLESS)
def test_lossless_formats_give_every_value(image_format: str) -> None:
    image = noise()
    content = encoded(image, image_format)
    assert np.array_equal(pixels(content), np.asarray(image))
    assert decoded(content).format == image_format


def test_lossless_webp_gives_every_value() -> None:
    image = noise()
    assert np.array_equal(pixels(encoded(image, "WEBP", lossless=True)), np.asarray(image))


@pytest.mark.parametrize("image_format", ["JPEG", "WEBP"])
def test_lossy_formats_give_what_pillow_gives(image_format: str) -> None:
    content = encoded(noise(), image_format)
    with Image.open(io.BytesIO(content)) as image:
        assert np.array_equal(pixels(content), np.asarray(image.convert("RGB")))
    assert decoded(content).format == image_format


@pytest.mark.parametrize("image_format", ["GIF", "WEBP", "TIFF", "PNG"])
def test_of_an_animation_the_first_frame_is_taken(image_format: str) -> None:
    frames = [Image.new("RGB", (8, 6), colour) for colour in ("red", "lime", "blue")]
    options = {"lossless": True} if image_format == "WEBP" else {}
    content = encoded(frames[0], image_format, save_all=True, append_images=frames[1:], **options)
    assert np.array_equal(pixels(content), np.asarray(frames[0]))


def test_grey_stays_grey() -> None:
    content = encoded(Image.fromarray(grey_ramp()), "PNG")
    assert np.array_equal(pixels(content), as_rgb(grey_ramp()))


def test_of_grey_with_alpha_the_alpha_is_dropped() -> None:
    with_alpha = Image.merge("LA", [Image.fromarray(grey_ramp()), Image.new("L", (16, 16), 7)])
    assert np.array_equal(pixels(encoded(with_alpha, "PNG")), as_rgb(grey_ramp()))


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_of_colours_with_alpha_the_alpha_is_dropped(image_format: str) -> None:
    image = noise()
    with_alpha = image.copy()
    with_alpha.putalpha(Image.new("L", image.size, 0))
    assert np.array_equal(pixels(encoded(with_alpha, image_format)), np.asarray(image))


@pytest.mark.parametrize("image_format", ["PNG", "GIF"])
@pytest.mark.parametrize("transparency", [None, 1])
def test_a_palette_gives_its_colours_also_where_it_is_transparent(
    image_format: str, transparency: int | None
) -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50, 0, 255, 0])
    palette.putdata([0, 1, 2])
    options = {} if transparency is None else {"transparency": transparency}
    colours = pixels(encoded(palette, image_format, **options))
    assert colours.tolist() == [[[10, 20, 30], [200, 100, 50], [0, 255, 0]]]


@pytest.mark.parametrize("transparency", [b"\0\x80\xff", b"\0"])
def test_a_palette_with_shades_of_transparency_gives_its_colours(transparency: bytes) -> None:
    palette = Image.new("P", (3, 1))
    palette.putpalette([10, 20, 30, 200, 100, 50, 0, 255, 0])
    palette.putdata([0, 1, 2])
    colours = pixels(encoded(palette, "PNG", transparency=transparency))
    assert colours.tolist() == [[[10, 20, 30], [200, 100, 50], [0, 255, 0]]]


@pytest.mark.parametrize(("mode", "transparent"), [("L", 3), ("RGB", (1, 2, 3)), ("1", 0)])
def test_a_transparent_colour_stays_a_colour(mode: str, transparent: object) -> None:
    image = Image.fromarray(grey_ramp()).convert(mode)
    content = encoded(image, "PNG", transparency=transparent)
    assert np.array_equal(pixels(content), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "BMP"])
def test_black_and_white_becomes_0_and_255(image_format: str) -> None:
    image = Image.fromarray(grey_ramp()).convert("1")
    assert set(pixels(encoded(image, image_format)).ravel().tolist()) == {0, 255}
    assert np.array_equal(pixels(encoded(image, image_format)), np.asarray(image.convert("RGB")))


@pytest.mark.parametrize("image_format", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight_and_white_stays_white(image_format: str) -> None:
    wide = np.array([[0, 128, 257, 32768, 65278, 65535]], dtype=np.uint16)
    colours = pixels(encoded(Image.fromarray(wide), image_format))
    assert np.array_equal(colours, as_rgb(np.array([[0, 0, 1, 128, 254, 255]], dtype=np.uint8)))


def test_eight_bits_that_were_widened_to_sixteen_come_back() -> None:
    wide = grey_ramp().astype(np.uint16) * 257
    assert np.array_equal(pixels(encoded(Image.fromarray(wide), "PNG")), as_rgb(grey_ramp()))


@pytest.mark.parametrize("image_format", ["TIFF", "JPEG"])
def test_cmyk_becomes_the_colours_it_means(image_format: str) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0)]
    for colour in colours:
        image = Image.new("RGB", (16, 16), colour).convert("CMYK")
        difference = pixels(encoded(image, image_format)).astype(int) - np.array(colour)
        assert np.abs(difference).max() <= 2


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
def test_a_turned_photo_becomes_upright_as_pillow_turns_it(
    image_format: str, orientation: int
) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image = noise()
    options = {"lossless": True} if image_format == "WEBP" else {}
    stored = Image.open(io.BytesIO(encoded(image, image_format, **options)))
    flat = stored.convert("RGB")  # as it lies in the file
    flat.getexif()[ORIENTATION] = orientation
    upright = ImageOps.exif_transpose(flat)
    content = encoded(image, image_format, exif=exif, **options)
    assert np.array_equal(pixels(content), np.asarray(upright))


def test_a_broken_exif_block_leaves_the_photo_as_it_lies() -> None:
    image = noise()
    content = encoded(image, "PNG", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff" + b"\xff" * 40)
    assert np.array_equal(pixels(content), np.asarray(image))


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_unknown_orientation_leaves_the_photo_as_it_lies(value: int) -> None:
    image = noise()
    exif = Image.Exif()
    exif[ORIENTATION] = value
    assert np.array_equal(pixels(encoded(image, "PNG", exif=exif)), np.asarray(image))


@pytest.mark.parametrize("content", BASES)
def test_a_truncated_photo_is_broken(content: bytes) -> None:
    assert reason(content[: len(content) // 2]) in ("broken", "unknown_format")


@pytest.mark.parametrize("image_format", ["JPEG", "PNG", "GIF", "BMP"])
def test_a_photo_that_lost_its_second_half_is_broken(image_format: str) -> None:
    content = encoded(noise(), image_format)
    assert reason(content[: len(content) // 2]) == "broken"


def test_a_file_without_bytes_is_empty() -> None:
    assert reason(b"") == "empty"


@pytest.mark.parametrize("content", [b"a text", b"\0", b"%PDF-1.7", b"\xff\xd8", b"RIFF0000WEBP"])
def test_a_file_that_is_no_photo_is_of_an_unknown_format(content: bytes) -> None:
    assert reason(content) == "unknown_format"


@pytest.mark.parametrize("image_format", ["PPM", "TGA", "ICO", "PCX", "SGI", "EPS"])
def test_formats_that_are_not_allowed_are_not_tried(image_format: str) -> None:
    assert reason(encoded(noise(), image_format)) == "unknown_format"


def test_a_photo_that_claims_too_many_pixels_is_refused_unseen() -> None:
    assert reason(png_that_claims(40_000, 40_000)) == "too_many_pixels"
    assert reason(png_that_claims(40_000, 40_000), max_pixels=2**31) == "too_many_pixels"
    assert reason(png_that_claims(2_000, 501)) == "too_many_pixels"


def test_a_photo_of_exactly_the_budget_is_accepted() -> None:
    content = jpeg(40, 30)
    assert decoded(content, max_bytes=len(content), max_pixels=1200).image.size == (40, 30)
    assert reason(content, max_pixels=1199) == "too_many_pixels"
    assert reason(content, max_bytes=len(content) - 1) == "too_many_bytes"


def test_the_budget_of_bytes_is_told_with_the_size() -> None:
    with pytest.raises(Undecodable) as caught:
        decoded(b"x" * 101, max_bytes=100)
    assert caught.value.detail == "101 bytes, the budget is 100"


def test_a_photo_within_its_budget_of_which_pillow_would_warn_is_decoded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    assert decoded(jpeg(40, 30)).image.size == (40, 30)


@settings(deadline=None, max_examples=300)
@given(content=st.binary(max_size=200), start=st.sampled_from((b"", *(b[:30] for b in BASES))))
def test_random_bytes_are_refused_and_nothing_else(content: bytes, start: bytes) -> None:
    try:
        decoded(start + content)
    except Undecodable as error:
        assert error.reason in ("empty", "unknown_format", "broken", "too_many_pixels")


@settings(deadline=None, max_examples=500)
@given(
    base=st.sampled_from((BASES[0], BASES[0], *BASES[1:])),
    changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=8),
    head=st.booleans(),
    cut=st.floats(0, 1),
)
def test_damaged_photos_are_decoded_or_refused_and_nothing_else(
    base: bytes, changes: list[tuple[float, int]], head: bool, cut: float
) -> None:
    damaged = bytearray(base)
    for place, value in changes:
        damaged[int(place * (200 if head else len(base)))] = value
    damaged = damaged[: max(1, int(cut * 2 * len(base)))]
    try:
        image = decoded(bytes(damaged)).image
    except Undecodable as error:
        assert error.reason in ("unknown_format", "broken", "too_many_pixels")
        assert len(error.detail) <= 200
    else:
        assert image.mode == "RGB"
        assert image.width * image.height <= MAX_PIXELS


def test_a_photo_is_decoded_the_same_twice() -> None:
    assert np.array_equal(pixels(jpeg()), pixels(jpeg()))


@pytest.mark.parametrize("name", ["a.JPG", "a.b.jpeg", "a.webp", ".jpg"])
def test_a_name_with_the_suffix_of_a_photo_looks_like_one(name: str) -> None:
    assert looks_like_photo(name, b"")


@pytest.mark.parametrize("name", ["a.txt", "jpg", "a.jpg.txt", "a.", ""])
def test_a_name_without_the_suffix_of_a_photo_does_not(name: str) -> None:
    assert not looks_like_photo(name, b"any content")


@settings(deadline=None)
@given(name=st.text(), head=st.binary(max_size=12))
def test_any_name_and_content_can_be_asked_about(name: str, head: bytes) -> None:
    assert looks_like_photo(name, head) in (True, False)


def test_every_decoder_has_a_version() -> None:
    versions = decoder_versions()
    assert {"pillow", "jpg", "webp"} <= versions.keys()
    assert all(versions.values())


@pytest.mark.parametrize("orientation", [1, 6])
def test_a_large_jpeg_may_be_decoded_smaller_and_still_tells_its_whole_size(
    orientation: int,
) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    content = encoded(soft(1600, 1200), "JPEG", exif=exif, quality=95)
    whole = decode(content, max_photo_bytes=2**30, max_photo_pixels=2**30)
    small = decode(content, max_photo_bytes=2**30, max_photo_pixels=2**30, least_px=512)
    assert (small.width, small.height) == (whole.width, whole.height) == whole.image.size
    assert small.image.size == (whole.width // 2, whole.height // 2)
    near = to_pixels(small.image, width=small.width, height=small.height).astype(int)
    assert np.abs(near - to_pixels(whole.image)).mean() < 1


@pytest.mark.parametrize(("width", "height"), [(1022, 800), (300, 2000)])
def test_a_jpeg_is_not_decoded_smaller_than_asked(width: int, height: int) -> None:
    content = encoded(soft(width, height), "JPEG")
    seen = decode(content, max_photo_bytes=2**30, max_photo_pixels=2**30, least_px=512)
    assert seen.image.size == (width, height)


def soft(width: int, height: int) -> Image.Image:
    """A photo without detail that a smaller one could not hold."""
    return noise(8, 8, seed=3).resize((width, height), Image.Resampling.BICUBIC)
