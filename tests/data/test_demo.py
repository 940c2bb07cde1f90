"""The demo photos are reproducible, unequal in number and of many shapes."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest
from PIL import Image

from ml_workflows.data.demo import DEMO_CLASS_SIZES, draw_demo_photos

SMALL = 0.01


def contents(folder: Path) -> Mapping[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*.*")}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo")
    draw_demo_photos(folder, share=SMALL)
    return folder


def test_the_same_seed_draws_the_same_bytes(drawn: Path, tmp_path: Path) -> None:
    draw_demo_photos(tmp_path, share=SMALL)
    assert contents(tmp_path) == contents(drawn)


def test_another_seed_draws_other_photos(drawn: Path, tmp_path: Path) -> None:
    draw_demo_photos(tmp_path, random_seed=1, share=SMALL)
    assert not set(contents(tmp_path).values()) & set(contents(drawn).values())


def test_a_smaller_share_draws_the_same_first_photos(drawn: Path, tmp_path: Path) -> None:
    count = draw_demo_photos(tmp_path, share=0.1)
    larger = contents(tmp_path)
    assert len(larger) == count > len(contents(drawn))
    assert contents(drawn).items() <= larger.items()


def test_every_class_has_at_least_four_photos(drawn: Path) -> None:
    per_class = Counter(name.split("/")[0] for name in contents(drawn))
    assert per_class == dict.fromkeys(DEMO_CLASS_SIZES, 4)


def test_class_sizes_are_unequal() -> None:
    sizes = DEMO_CLASS_SIZES.values()
    assert len(sizes) == len(set(sizes)) == 11
    assert all(35 <= size <= 95 for size in sizes)
    assert 620 <= sum(sizes) <= 680


def test_photos_are_jpeg_or_png_of_different_shapes(drawn: Path) -> None:
    formats, sizes = set(), set()
    for path in drawn.rglob("*.*"):
        with Image.open(path) as image:
            image.load()
            formats.add((path.suffix, image.format))
            sizes.add(image.size)
    assert formats == {(".jpg", "JPEG"), (".png", "PNG")}
    assert len(sizes) > 20
    assert any(width < height for width, height in sizes)
    assert all(200 <= side <= 520 for size in sizes for side in size)
