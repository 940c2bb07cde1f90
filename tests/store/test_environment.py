"""The environment fingerprint is plain, and steady within a process."""

import json
import sys

from ml_workflows.store.environment import cores, cpu_features, environment, python_version


def test_the_environment_can_be_written_as_json() -> None:
    found = environment({"numpy": "2.4.6"})
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert found["packages"] == {"numpy": "2.4.6"}


def test_the_environment_is_the_same_twice() -> None:
    assert environment({}) == environment({})


def test_the_cpu_has_features_that_name_the_machine_first() -> None:
    assert len(cpu_features()) > 1
    assert all(cpu_features())


def test_there_is_at_least_one_core() -> None:
    assert cores() >= 1


def test_the_patch_level_of_python_does_not_matter() -> None:
    assert python_version() == ".".join(map(str, sys.version_info[:2]))
