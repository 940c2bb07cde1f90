"""A step's code is all that its module reaches, and nothing else."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ml_workflows.steps.table import STEPS
from ml_workflows.store import source_code as module
from ml_workflows.store.source_code import SourceCode

PREPARE = "ml_workflows.steps.prepare_data"
WITHOUT_TORCH = [step.module for step in STEPS if not step.imports_torch]
SMALL_PACKAGE = {
    "__init__.py": "",
    "steps/__init__.py": "",
    "steps/table.py": "STEPS = ()\n",
    "steps/step.py": "import json\nfrom ml_workflows.steps.table import STEPS\n"
    "from ml_workflows.near import one\nfrom ml_workflows import sibling\n",
    "near.py": "def one() -> int:\n    from ml_workflows.rooms import far\n    return far.two()\n",
    "sibling.py": "import ml_workflows.rooms.dotted\n",
    "rooms/__init__.py": "",
    "rooms/far.py": "from ml_workflows.rooms.farthest import three as two\n",
    "rooms/farthest.py": "import numpy as np\n\n\ndef three() -> int:\n    return 3\n",
    "rooms/dotted.py": "from PIL import Image\n",
    "rooms/templates/far/page.html.j2": "<p>{{ text }}</p>\n",
    "rooms/templates/unrelated/page.html.j2": "",
    "unrelated.py": "import torch\n",
}
UNRELATED = {name for name in SMALL_PACKAGE if "unrelated" in name}
STEP = "ml_workflows.steps.step"

Reach = Callable[[str], SourceCode]


def forget() -> None:
    module.source_code.cache_clear()
    module._imports.cache_clear()


@pytest.fixture
def reach() -> Iterator[Reach]:
    """``source_code`` of the files as they are now."""

    def fresh(name: str) -> SourceCode:
        forget()
        return module.source_code(name)

    yield fresh
    forget()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small package in place of this one."""
    root = tmp_path / "ml_workflows"
    for name, content in SMALL_PACKAGE.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content, "utf-8")
    monkeypatch.setattr(module, "PACKAGE_ROOT", root)
    return root


def add_comment(path: Path) -> None:
    path.write_text(path.read_text("utf-8") + "# a comment\n", "utf-8")


@pytest.mark.usefixtures("package")
def test_the_code_holds_every_file_that_is_reached_and_no_other(reach: Reach) -> None:
    assert set(reach(STEP).files) == set(SMALL_PACKAGE) - UNRELATED


@pytest.mark.usefixtures("package")
def test_the_code_names_what_it_imports_as_it_is_installed(reach: Reach) -> None:
    assert reach(STEP).imports == ("numpy", "pillow")
    assert set(reach(STEP).packages) == {"numpy", "pillow", "python"}


@pytest.mark.parametrize("name", sorted(set(SMALL_PACKAGE) - UNRELATED))
def test_a_change_in_any_file_that_is_reached_changes_its_digest_only(
    reach: Reach, package: Path, name: str
) -> None:
    before = reach(STEP).files
    add_comment(package / name)
    after = reach(STEP).files
    assert {name for name in before if before[name] != after[name]} == {name}


def test_a_change_elsewhere_changes_nothing(reach: Reach, package: Path) -> None:
    before = reach(STEP)
    for name in UNRELATED:
        add_comment(package / name)
    (package / "new.py").write_text("import torch\n", "utf-8")
    assert reach(STEP) == before


def test_a_new_template_of_a_module_is_part_of_its_code(reach: Reach, package: Path) -> None:
    (package / "rooms/templates/far/new.html.j2").write_text("", "utf-8")
    assert "rooms/templates/far/new.html.j2" in reach(STEP).files


def test_compiled_files_are_no_code(reach: Reach, package: Path) -> None:
    before = reach(STEP)
    (package / "rooms" / "__pycache__").mkdir()
    (package / "rooms" / "__pycache__" / "far.cpython-311.pyc").write_bytes(b"\0")
    assert reach(STEP) == before


def test_the_place_of_the_package_does_not_matter(
    reach: Reach, package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = reach(STEP)
    shutil.copytree(package, tmp_path / "elsewhere")
    monkeypatch.setattr(module, "PACKAGE_ROOT", tmp_path / "elsewhere")
    assert reach(STEP) == before


def test_the_real_step_changes_with_a_helper_three_modules_away(
    reach: Reach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``prepare_data`` → ``data.photos`` → ``store.photo_cache`` → ``store.home``."""
    root = tmp_path / "ml_workflows"
    shutil.copytree(module.PACKAGE_ROOT, root, ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(module, "PACKAGE_ROOT", root)
    before = reach(PREPARE).files
    add_comment(root / "model" / "fitting.py")
    assert reach(PREPARE).files == before
    add_comment(root / "store" / "home.py")
    after = reach(PREPARE).files
    assert {name for name in before if before[name] != after[name]} == {"store/home.py"}


def test_prepare_data_depends_on_its_helpers_and_not_on_the_network(reach: Reach) -> None:
    files = reach(PREPARE).files
    assert {"steps/prepare_data.py", "data/decoding.py", "store/digests.py"} <= files.keys()
    assert not [name for name in files if name.startswith(("model/", "cli/", "engines/"))]


def test_prepare_data_depends_on_numpy_and_pillow_as_installed(reach: Reach) -> None:
    import numpy
    import PIL

    packages = reach(PREPARE).packages
    assert packages["numpy"] == numpy.__version__
    assert packages["pillow"] == PIL.__version__


@pytest.mark.parametrize("name", WITHOUT_TORCH)
def test_a_step_without_torch_does_not_depend_on_it(reach: Reach, name: str) -> None:
    code = reach(name)
    assert "torch" not in code.packages
    assert "torch" not in code.imports


def test_three_steps_do_without_torch() -> None:
    assert [name.rpartition(".")[2] for name in WITHOUT_TORCH] == [
        "prepare_data",
        "evaluate_model",
        "optimize_model",
    ]


def test_training_depends_on_torch_and_what_torch_requires(reach: Reach) -> None:
    packages = reach("ml_workflows.steps.train_model").packages
    assert {"torch", "sympy", "safetensors"} <= packages.keys()
