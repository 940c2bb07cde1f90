"""The report page: complete, the same every time, and deaf to hostile names."""

import os
import re
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from ml_workflows.report.page import (
    SLOT_END,
    SLOT_START,
    Thumbnail,
    render_report,
    show_report,
)
from ml_workflows.report.plots import draw_loss_plot

VOID = {"meta", "img", "br"}
HOSTILE = (
    "<script>alert(1)</script>",
    "\"><img src=x onerror='alert(1)'>",
    "' onmouseover='alert(1)' x='",
    "</style></title><script>alert(2)</script>",
    SLOT_START,
    SLOT_END,
    "{{ 7 * 7 }}{% raw %}",
    "مرحبا",
    "\u202egnp.exe",
    "x" * 300,
    "nul\x00 escape\x1b not utf-8\udcff",
    "&lt;script&gt;",
)
CLOCK_OR_PATH = re.compile(r"\d:\d\d|20\d\d-|\d m?s\b|/(home|root|tmp|work|usr)/")
SEARCH_PATH = os.pathsep.join([str(Path(__file__).parent), *sys.path])

RECORD: dict[str, Any] = {
    "run": "20261123-0415-ab12",
    "started": "2026-11-23T04:15:00Z",
    "seconds": 5.1,
    "status": "done",
    "parameters": {"epochs": 10, "data": "/home/me/photos"},
    "steps": {
        "prepare_data": {
            "outcome": "cached",
            "seconds": 0.1,
            "artifacts": {
                "train_split": {"sha256": "ab" * 32, "bytes": 1200, "file": "train_split.parquet"}
            },
            "measurements": {"photosDecoded": 672},
        },
        "train_model": {"outcome": "ran", "seconds": 3.21},
        "optimize_model": {
            "outcome": "ran",
            "seconds": 0.5,
            "measurements": {"latencyBeforeSeconds": 0.0111, "latencyAfterSeconds": 0.0089},
        },
    },
    "environment": {"python": "3.11.7", "packages": {"torch": "2.15.0"}},
    "git": {"commit": "cd" * 20},
}


class Page(HTMLParser):
    """The elements of a page; balanced or not."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.unbalanced = False
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self.unbalanced |= not self.open or self.open.pop() != tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def count(self, tag: str) -> int:
        return sum(name == tag for name, _ in self.elements)


def facts(names: tuple[str, ...], **changes: Any) -> dict[str, Any]:
    """What the steps hand to the report, with every name in every place."""
    size = len(names)
    matrix = [[8 if i == j else int(j == (i + 1) % size) for j in range(size)] for i in range(size)]
    scores = {"precision": 8 / 9, "recall": 8 / 9, "f1Score": 8 / 9, "support": 9}
    history = [
        {"epoch": e, "trainLoss": 1 / e, "valLoss": 1.2 / e, "trainAccuracy": 0.9} for e in (1, 2)
    ]
    made: dict[str, Any] = {
        "preparation": {
            "photoCount": 90 * size,
            "testSize": 9 * size,
            "quarantineSize": size,
            "totalBytes": 49_600_000,
            "classes": {name: {"train": 72, "val": 9, "test": 9} for name in names},
            "formats": {names[0]: 3, "JPEG": 669},
        },
        "training": {"bestEpoch": 2, "epochsRun": 2, "weights": "imagenet", "history": history},
        "evaluation": {
            "testSize": 9 * size,
            "accuracy": 8 / 9,
            "weightedF1Score": 0.8889,
            "macroF1Score": 0.8889,
            "expectedCalibrationError": 0.034,
            "intervals": {"weightedF1Score": [0.8, 0.95]},
            "perClass": {name: {**scores, "recallInterval": [0.6, 1.0]} for name in names},
            "agreement": {"torchToOnnxLogitDifference": 1e-6, "torchToOnnxLabelFlips": 0},
        },
        "confusion": {"classes": list(names), "matrix": matrix},
        "quarantine": [
            {"key": f"{n}/x.jpg", "label": n, "reason": n, "detail": n} for n in names
        ],
        "loss_plot": draw_loss_plot(history, best_epoch=2),
        "mistakes": [
            Thumbnail(
                key=f"{n}/y.jpg",
                truth=n,
                predicted=n,
                probability=0.9,
                truth_probability=0.1,
                jpeg=b"\xff\xd8",
            )
            for n in names
        ],
    }  # fmt: skip
    for name, change in changes.items():
        made[name] = {**made[name], **change} if isinstance(change, dict) else change
    return made


def reading(names: tuple[str, ...] = ("Cloudy", "Rain"), **changes: Any) -> str:
    return Page(render_report(**facts(names, **changes))).text


def hostile_record() -> dict[str, Any]:
    name = " ".join(HOSTILE)
    artifact = {"sha256": name, "bytes": 1, "file": name}
    step = {"outcome": name, "artifacts": {name: artifact}, "measurements": {name: name}}
    return {
        "run": name,
        "started": name,
        "status": name,
        "parameters": {name: name},
        "steps": {name: step, "train_model": step},
        "environment": {name: name, "packages": {name: name}},
        "git": {"commit": name},
    }


@pytest.mark.parametrize("record", [None, RECORD, hostile_record()])
def test_hostile_names_stay_text_everywhere(record: dict[str, Any] | None) -> None:
    report = render_report(**facts(HOSTILE))
    page = Page(report if record is None else show_report(report, record))
    assert page.count("script") == 0
    assert page.count("img") == len(HOSTILE)
    assert not [name for _, attributes in page.elements for name in attributes if name[:2] == "on"]
    assert not page.unbalanced
    assert not page.open
    assert "{{ 7 * 7 }}" in page.text


def test_every_name_is_isolated_and_kept_in_full_as_a_tool_tip() -> None:
    page = Page(render_report(**facts(HOSTILE)))
    titles = {attributes.get("title") for tag, attributes in page.elements if tag == "bdi"}
    assert {"x" * 300, "\u202egnp.exe", HOSTILE[0]} <= titles


def test_the_page_is_utf_8_even_when_a_name_is_not() -> None:
    assert b"not utf-8\\udcff" in render_report(**facts(HOSTILE)).encode("utf-8")


def test_nothing_is_loaded_from_elsewhere() -> None:
    page = Page(show_report(render_report(**facts(("Cloudy", "Rain"))), RECORD))
    for _, attributes in page.elements:
        assert (attributes.get("src") or "data:").startswith("data:")
        assert (attributes.get("href") or "#").startswith("#")
    assert page.count("link") == 0


def test_the_artifact_is_the_same_in_another_process() -> None:
    """Under another hash seed too, so no set decides an order."""
    program = (
        "from test_page import HOSTILE, facts\n"
        "from ml_workflows.report.page import render_report\n"
        "import hashlib\n"
        "print(hashlib.sha256(render_report(**facts(HOSTILE)).encode()).hexdigest())"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": SEARCH_PATH},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(digests) == 1


def test_the_artifact_does_not_depend_on_the_order_of_its_inputs_keys() -> None:
    given = facts(("Cloudy", "Rain"))
    turned: dict[str, Any] = {
        key: dict(reversed(value.items())) if isinstance(value, dict) else value
        for key, value in given.items()
    }
    turned["preparation"]["classes"] = dict(reversed(given["preparation"]["classes"].items()))
    assert render_report(**given) == render_report(**turned)


def test_the_artifact_holds_no_clock_and_no_path() -> None:
    text = reading()
    assert CLOCK_OR_PATH.search(text) is None
    assert CLOCK_OR_PATH.search(RECORD["started"]) is not None
    assert "The run's own page adds timings" in text


def test_the_slot_is_filled_from_the_record() -> None:
    page = Page(show_report(render_report(**facts(("Cloudy", "Rain"))), RECORD))
    for claim in (
        "started on 23 November 2026, 04:15 UTC and took 5.1 s",
        "Prepare data from cache",
        "Train model ran 3.2 s",
        "Evaluate model did not run",
        "takes 11.1 ms a photo on one core, optimized 8.9 ms",
        "/home/me/photos",
        "ab" * 32,
    ):
        assert claim in page.text
    assert "The run's own page adds timings" not in page.text


def test_a_filled_slot_can_be_filled_anew() -> None:
    report = render_report(**facts(("Cloudy", "Rain")))
    assert show_report(show_report(report, hostile_record()), RECORD) == show_report(report, RECORD)


@pytest.mark.parametrize("page", ["", SLOT_START, SLOT_END + SLOT_START, SLOT_START * 2 + SLOT_END])
def test_a_page_without_exactly_one_slot_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="exactly one slot"):
        show_report(page, RECORD)


def test_an_empty_record_and_empty_results_still_give_a_page() -> None:
    empty: dict[str, Any] = {"preparation": {}, "training": {}, "evaluation": {}, "confusion": {}}
    report = render_report(**empty, quarantine=[], loss_plot="", mistakes=[])
    page = Page(show_report(report, {"git": None, "environment": None}))
    assert not page.unbalanced
    assert "no git commit" in page.text


def test_scores_that_are_not_defined_are_dashes() -> None:
    absent = {"precision": None, "recall": None, "f1Score": float("nan"), "support": 0}
    text = reading(evaluation={"perClass": {"Cloudy": absent, "Rain": absent}})
    assert "Cloudy 0 – – – –" in text


def test_the_results_are_read_out_in_plain_english() -> None:
    assert "Of 18 test photos, 16 were labelled right." in reading()
    right = {"classes": ["Cloudy", "Rain"], "matrix": [[9, 0], [0, 9]]}
    text = reading(confusion=right, mistakes=[])
    assert "All 18 test photos were labelled right." in text
    assert "No test photo was mislabelled." in text
    assert "No class was taken for another." in text


def test_random_weights_are_named_as_a_demo() -> None:
    assert "--weights imagenet" in reading(training={"weights": "none"})
    assert "--weights imagenet" not in reading(training={"weights": "file"})


def test_labels_that_change_between_the_models_are_told() -> None:
    agreement = {"torchToOnnxLabelFlips": 2, "torchToOnnxPhotos": 16, "preprocessingPhotos": 67}
    text = reading(evaluation={"agreement": agreement})
    assert "another label on 2 of 16 photos" in text


def test_long_lists_are_cut_and_say_so() -> None:
    rows = [{"key": f"{i}.jpg", "label": "Rain", "reason": "empty"} for i in range(60)]
    photos = facts(("Cloudy", "Rain"))["mistakes"] * 20
    page = Page(render_report(**facts(("Cloudy", "Rain"), quarantine=rows, mistakes=photos)))
    assert "and 10 more files" in page.text
    assert "24 of 40 are shown" in page.text
    assert page.count("img") == 24


@pytest.mark.parametrize("classes", [2, 6, 7, 24, 25, 200])
def test_every_number_of_classes_gives_a_whole_matrix(classes: int) -> None:
    names = tuple(f"class {number}" for number in range(classes))
    report = render_report(**facts(names, mistakes=[]))
    matrix = report[report.index('<table class="matrix') :]
    matrix = matrix[: matrix.index("</table>")]
    assert len(re.findall("<td[ >]", matrix)) == classes**2
    assert matrix.count('scope="row"') == classes
    assert not Page(report).unbalanced


def test_eleven_classes_are_rendered_within_a_tenth_of_a_second() -> None:
    given = facts(tuple(f"class {number}" for number in range(11)))
    render_report(**given)
    taken = []
    for _ in range(5):
        start = time.perf_counter()
        render_report(**given)
        taken.append(time.perf_counter() - start)
    assert min(taken) < 0.1


def test_the_page_needs_no_heavy_library() -> None:
    program = (
        "import sys, ml_workflows.report.page\n"
        "heavy = {'numpy', 'torch', 'PIL', 'pyarrow', 'onnx', 'onnxruntime'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": SEARCH_PATH},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "[]\n"
