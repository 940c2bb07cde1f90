"""The parameters refuse what they cannot mean, and say what they saw and what they take."""

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_workflows.errors import ParameterFault
from ml_workflows.parameters import (
    SPLITS,
    Parameters,
    limits,
    names,
    parameters_from,
    read_config,
    table,
)

BOUNDED = [row.name for row in table() if math.isfinite(limits(row).low)]
RATIOS = tuple(f"{split}_ratio" for split in SPLITS)


def range_of(name: str) -> str:
    return next(limits(row).range_text() for row in table() if row.name == name)


def test_seven_two_one_is_accepted_although_floats_do_not_sum_to_one() -> None:
    parameters = parameters_from({"train_ratio": 0.7, "val_ratio": 0.2, "test_ratio": 0.1})
    assert (parameters.train_ratio, parameters.val_ratio, parameters.test_ratio) == (0.7, 0.2, 0.1)


def test_three_thirds_are_accepted() -> None:
    parameters_from(dict.fromkeys(RATIOS, 1 / 3))


@settings(deadline=None)
@given(cuts=st.lists(st.integers(1, 99), min_size=2, max_size=2, unique=True).map(sorted))
def test_any_three_shares_of_a_hundred_are_accepted(cuts: list[int]) -> None:
    first, second = cuts
    shares = (first / 100, (second - first) / 100, (100 - second) / 100)
    parameters_from(dict(zip(RATIOS, shares, strict=True)))


@settings(deadline=None)
@given(excess=st.floats(1e-4, 0.5) | st.floats(-0.05, -1e-4))
def test_ratios_that_miss_one_by_more_than_rounding_are_refused(excess: float) -> None:
    with pytest.raises(ParameterFault, match="do not sum to 1") as caught:
        parameters_from({"train_ratio": 0.4 + excess, "val_ratio": 0.3, "test_ratio": 0.3})
    assert "0.3 + 0.3 = " in str(caught.value)


def test_one_ratio_alone_that_breaks_the_sum_is_refused() -> None:
    with pytest.raises(ParameterFault, match=r"0\.5 \+ 0\.1 \+ 0\.1 = 0\.7"):
        parameters_from({"train_ratio": 0.5})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("train_ratio", 0.0),
        ("val_ratio", 1.0),
        ("test_ratio", -0.1),
        ("random_seed", -1),
        ("random_seed", 2**32),
        ("max_photo_bytes", 0),
        ("max_photo_bytes", 2**31 + 1),
        ("max_photo_pixels", 0),
        ("max_photo_pixels", 170_000_001),
        ("max_quarantine_share", -0.01),
        ("max_quarantine_share", 1.01),
        ("epochs", 0),
        ("epochs", 100_001),
        ("learning_rate", 0.0),
        ("learning_rate", 10.5),
        ("batch_size", 0),
        ("batch_size", 65537),
        ("early_stopping_patience", -1),
        ("early_stopping_patience", 100_001),
        ("class_weighting", "inverse"),
    ],
)
def test_a_value_out_of_range_is_refused_with_value_and_range(
    name: str, value: float | str
) -> None:
    with pytest.raises(ParameterFault) as caught:
        parameters_from({name: value})
    message = str(caught.value)
    assert message.startswith(f"{name} is out of range (seen: {value})")
    assert message.endswith(f"Choose a value in {range_of(name)}.")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("train_ratio", "(0, 1)"),
        ("random_seed", "[0, 4294967295]"),
        ("max_quarantine_share", "[0, 1]"),
        ("learning_rate", "(0, 10]"),
        ("epochs", "[1, 100000]"),
        ("max_photo_pixels", "[1, 170000000]"),
        ("class_weighting", "none | balanced"),
        ("data", ""),
    ],
)
def test_ranges_are_written_in_full(name: str, text: str) -> None:
    assert range_of(name) == text


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("random_seed", 0),
        ("random_seed", 2**32 - 1),
        ("max_photo_bytes", 1),
        ("max_photo_bytes", 2**31),
        ("max_quarantine_share", 0),
        ("max_quarantine_share", 1),
        ("learning_rate", 10),
        ("early_stopping_patience", 0),
        ("class_weighting", "balanced"),
    ],
)
def test_the_ends_of_closed_ranges_are_accepted(name: str, value: float | str) -> None:
    assert getattr(parameters_from({name: value}), name) == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["learning_rate", "train_ratio", "max_quarantine_share"])
def test_values_that_are_no_numbers_are_refused(name: str, value: float) -> None:
    with pytest.raises(ParameterFault, match=f"{name} is out of range"):
        parameters_from({name: value})


@pytest.mark.parametrize("value", [True, False])
@pytest.mark.parametrize("name", names())
def test_booleans_are_refused(name: str, value: bool) -> None:
    with pytest.raises(ParameterFault, match=f"{name} must be of type .*seen: {value}"):
        parameters_from({name: value})


@pytest.mark.parametrize("value", ["20", 20.0, None, [20], {"epochs": 20}])
def test_a_value_of_another_type_is_refused_with_the_default(value: object) -> None:
    with pytest.raises(ParameterFault, match=r"epochs must be of type int.*The default is 10\."):
        parameters_from({"epochs": value})


@pytest.mark.parametrize("name", BOUNDED)
def test_texts_are_refused_for_numbers(name: str) -> None:
    with pytest.raises(ParameterFault, match=f"{name} must be of type"):
        parameters_from({name: "1"})


def test_whole_numbers_become_floats_where_floats_are_meant() -> None:
    parameters = parameters_from({"learning_rate": 1, "max_quarantine_share": 0})
    assert type(parameters.learning_rate) is float
    assert type(parameters.max_quarantine_share) is float
    assert parameters == parameters_from({"learning_rate": 1.0, "max_quarantine_share": 0.0})


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("epoch", "epochs"), ("batch-size", "batch_size"), ("lerning_rate", "learning_rate")],
)
def test_an_unknown_name_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(ParameterFault) as caught:
        parameters_from({name: 1})
    assert str(caught.value).startswith(f"there is no parameter '{name}'. ")
    assert f"Did you mean '{nearest}'?" in str(caught.value)


def test_an_unknown_name_like_no_other_is_refused_with_where_to_look() -> None:
    with pytest.raises(ParameterFault, match=r"like none of them\. `--help` lists all"):
        parameters_from({"zzzzzz": 1})


@settings(deadline=None)
@given(name=st.text().filter(lambda name: name not in names()))
def test_no_unknown_name_passes(name: str) -> None:
    with pytest.raises(ParameterFault, match="there is no parameter"):
        parameters_from({name: 1})


def test_the_demo_starts_from_random_weights() -> None:
    assert parameters_from({}).weights == "none"
    assert parameters_from({"data": "demo"}).weights == "none"


def test_the_demo_takes_the_weights_it_is_told() -> None:
    assert parameters_from({"data": "demo", "weights": "imagenet"}).weights == "imagenet"


def test_other_photos_start_from_imagenet() -> None:
    assert parameters_from({"data": "photos"}).weights == "imagenet"


def test_what_is_given_is_not_changed() -> None:
    given_values: dict[str, object] = {"data": "demo"}
    parameters_from(given_values)
    assert given_values == {"data": "demo"}


def test_the_defaults_are_within_their_own_ranges() -> None:
    assert Parameters() == parameters_from({"weights": "imagenet"})


def test_every_parameter_says_what_it_means() -> None:
    assert all(limits(row).help for row in table())


def test_a_toml_file_is_read(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text('data = "fotos/Wetter ☃"\nepochs = 20\nlearning_rate = 0.001\n', "utf-8")
    assert read_config(path) == {"data": "fotos/Wetter ☃", "epochs": 20, "learning_rate": 0.001}
    assert parameters_from(read_config(path)).epochs == 20


@pytest.mark.parametrize("content", [b"epochs = ", b"\xff\xfe", b"epochs = 1\nepochs = 2\n"])
def test_a_broken_toml_file_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.toml"
    path.write_bytes(content)
    with pytest.raises(ParameterFault, match=r"config\.toml cannot be read") as caught:
        read_config(path)
    assert "`epochs = 20`" in str(caught.value)


def test_a_missing_configuration_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterFault, match="No such file"):
        read_config(tmp_path / "config.toml")


def test_a_section_in_the_configuration_is_an_unknown_name(tmp_path: Path) -> None:
    path = tmp_path / "config.toml"
    path.write_text("[training]\nepochs = 20\n", "utf-8")
    with pytest.raises(ParameterFault, match="there is no parameter 'training'"):
        parameters_from(read_config(path))
