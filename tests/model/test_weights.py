"""Weights are checked before they are read, and nothing in them is executed."""

from __future__ import annotations

import http.server
import io
import os
import pickle
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from ml_workflows.errors import WeightsFault
from ml_workflows.model import weights
from ml_workflows.model.weights import identify, load_backbone
from ml_workflows.store.digests import digest_bytes

if TYPE_CHECKING:
    from torch import Tensor

    from ml_workflows.model.network import MobileNetV3Small

pytestmark = pytest.mark.slow

MakeNetwork = Callable[..., "MobileNetV3Small"]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No proxy, no weights that torch downloaded before, and a port where nobody answers."""
    for name in ("HOME", "XDG_CACHE_HOME", "TORCH_HOME"):
        monkeypatch.setenv(name, str(tmp_path / "nobody"))
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(name, "127.0.0.1")
    monkeypatch.setattr(weights, "IMAGENET_URL", "http://127.0.0.1:9/mobilenet-imagenet.pth")


def backbone_of(network: MobileNetV3Small) -> dict[str, Tensor]:
    return {f"features.{name}": tensor for name, tensor in network.features.state_dict().items()}


def stem_of(network: MobileNetV3Small) -> Tensor:
    """The weights of the first convolution."""
    stem: Tensor = network.features.state_dict()["0.0.weight"]
    return stem


def saved(tensors: object) -> bytes:
    import torch

    buffer = io.BytesIO()
    torch.save(tensors, buffer)
    return buffer.getvalue()


def refusal(content: bytes, path: Path, network: MobileNetV3Small) -> str:
    """What the user is told who names a file of this content; the network stays as it was."""
    import torch

    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    path.write_bytes(content)
    with pytest.raises(WeightsFault) as fault:
        load_backbone(network, identify(str(path)), folder=path.parent / "home")
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    text = str(fault.value)
    assert path.name in text and fault.value.remedy in text
    return text


@contextmanager
def serving(content: bytes, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A loopback server in the place of download.pytorch.org; the paths that it was asked for."""
    asked: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/models/mobilenet-imagenet.pth"
        monkeypatch.setattr(weights, "IMAGENET_URL", url)
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize("name", ["backbone.pth", "backbone.pt", "backbone.safetensors"])
@pytest.mark.parametrize("with_classifier", [False, True])
def test_a_backbone_loads_with_or_without_a_classifier_of_other_classes(
    make_network: MakeNetwork, tmp_path: Path, name: str, with_classifier: bool
) -> None:
    import torch
    from safetensors.torch import save

    source, network = make_network(1000, seed=1), make_network(3, seed=2)
    head = {name: tensor.clone() for name, tensor in network.classifier.state_dict().items()}
    tensors = source.state_dict() if with_classifier else backbone_of(source)
    path = tmp_path / name
    path.write_bytes(save(tensors) if path.suffix == ".safetensors" else saved(tensors))
    load_backbone(network, identify(str(path)), folder=tmp_path)
    for key, tensor in network.features.state_dict().items():
        assert torch.equal(tensor, source.features.state_dict()[key]), key
    for key, tensor in network.classifier.state_dict().items():
        assert torch.equal(tensor, head[key]), key


def test_a_state_dict_saved_by_torchvision_loads(make_network: MakeNetwork, tmp_path: Path) -> None:
    import torch
    from torchvision.models import mobilenet_v3_small

    theirs, ours = mobilenet_v3_small(num_classes=9), make_network(2)
    (tmp_path / "theirs.pth").write_bytes(saved(theirs.state_dict()))
    load_backbone(ours, identify(str(tmp_path / "theirs.pth")), folder=tmp_path)
    for key, tensor in ours.features.state_dict().items():
        assert torch.equal(tensor, theirs.features.state_dict()[key]), key


def test_none_leaves_the_network_as_it_was(make_network: MakeNetwork, tmp_path: Path) -> None:
    import torch

    network = make_network()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    load_backbone(network, identify("none"), folder=tmp_path)
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


def test_weights_are_identified_by_the_digest_of_the_file_whatever_its_name(tmp_path: Path) -> None:
    for name in ("one.pth", "other.safetensors"):
        (tmp_path / name).write_bytes(b"tensors")
    found = [identify(str(tmp_path / name)) for name in ("one.pth", "other.safetensors")]
    assert {one.sha256 for one in found} == {digest_bytes(b"tensors")}
    assert {one.origin for one in found} == {"file"}


def test_a_relative_path_means_the_same_file_after_a_change_of_folder(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "w.pth").write_bytes(saved(backbone_of(make_network(seed=1))))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    named = identify("w.pth")
    monkeypatch.chdir(tmp_path / "elsewhere")
    load_backbone(make_network(), named, folder=tmp_path)


@pytest.mark.parametrize("name", ["missing.pth", "notes.txt", "weights", "folder.pth", "\0.pth"])
def test_what_is_no_weights_file_is_refused_by_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "notes.txt").write_bytes(b"tensors")
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(WeightsFault, match=r"no \.pth, \.pt or \.safetensors file.*--weights"):
        identify(str(tmp_path / name))


def test_weights_of_another_network_are_refused(make_network: MakeNetwork, tmp_path: Path) -> None:
    import torch

    resnet = {"conv1.weight": torch.zeros(64, 3, 7, 7), "layer1.0.bn1.bias": torch.zeros(64)}
    text = refusal(saved(resnet), tmp_path / "resnet18.pth", make_network())
    assert "does not hold the backbone of MobileNetV3-Small" in text
    assert "torchvision's mobilenet_v3_small" in text


def test_a_backbone_of_other_shapes_is_refused(make_network: MakeNetwork, tmp_path: Path) -> None:
    import torch

    tensors = backbone_of(make_network()) | {"features.0.0.weight": torch.zeros(32, 3, 3, 3)}
    path = tmp_path / "large.pth"
    path.write_bytes(saved(tensors))
    with pytest.raises(WeightsFault, match=r"does not hold the backbone.*0\.0\.weight"):
        load_backbone(make_network(), identify(str(path)), folder=tmp_path)


@pytest.mark.parametrize(
    "make",
    [lambda tensors: {"state_dict": tensors}, lambda tensors: list(tensors.values())],
    ids=["nested", "list"],
)
def test_what_is_no_state_dict_is_refused(
    make_network: MakeNetwork, tmp_path: Path, make: Callable[[Any], object]
) -> None:
    content = saved(make(backbone_of(make_network())))
    assert "is no state dict" in refusal(content, tmp_path / "checkpoint.pth", make_network())


def test_a_pickled_model_is_refused(make_network: MakeNetwork, tmp_path: Path) -> None:
    text = refusal(saved(make_network()), tmp_path / "model.pth", make_network())
    assert "cannot be read as weights" in text


class Malicious:
    """Unpickled, it makes the file that it names."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize("how", ["torch", "bare pickle", "in a state dict"])
def test_nothing_in_a_malicious_file_is_executed(
    make_network: MakeNetwork, tmp_path: Path, how: str
) -> None:
    target = tmp_path / "executed"
    malicious = Malicious(target)
    content = {
        "torch": lambda: saved(malicious),
        "bare pickle": lambda: pickle.dumps(malicious, protocol=2),
        "in a state dict": lambda: saved({"features.0.0.weight": malicious}),
    }[how]()
    text = refusal(content, tmp_path / "malicious.pth", make_network())
    assert "cannot be read as weights" in text
    assert not target.exists()
    pickle.loads(pickle.dumps(malicious))  # noqa: S301 - the file is malicious indeed
    assert target.exists()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize("kept", [0.0005, 0.5, 0.999])
def test_a_truncated_file_is_refused(
    make_network: MakeNetwork, tmp_path: Path, suffix: str, kept: float
) -> None:
    from safetensors.torch import save

    tensors = backbone_of(make_network())
    whole = save(tensors) if suffix == ".safetensors" else saved(tensors)
    part = whole[: int(kept * len(whole))]
    text = refusal(part, tmp_path / f"truncated{suffix}", make_network())
    assert "cannot be read as weights" in text


def test_a_pickle_named_safetensors_is_refused(make_network: MakeNetwork, tmp_path: Path) -> None:
    content = saved(backbone_of(make_network()))
    text = refusal(content, tmp_path / "pickle.safetensors", make_network())
    assert "cannot be read as weights" in text


def test_a_file_that_changed_since_it_was_identified_is_refused(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    path = tmp_path / "weights.pth"
    path.write_bytes(saved(backbone_of(make_network(seed=1))))
    named = identify(str(path))
    path.write_bytes(saved(backbone_of(make_network(seed=2))))
    with pytest.raises(WeightsFault, match=r"weights\.pth is not the file that it was"):
        load_backbone(make_network(), named, folder=tmp_path)


def test_imagenet_without_a_network_says_how_to_go_on(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    with pytest.raises(WeightsFault, match=r"cannot be fetched.*--weights FILE.*--weights none"):
        load_backbone(make_network(), identify("imagenet"), folder=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_wrong_bytes_for_imagenet_are_refused_and_not_kept(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        serving(b"<html>Log in to the network</html>", monkeypatch),
        pytest.raises(WeightsFault, match=r"is not the ImageNet weights.*--weights FILE"),
    ):
        load_backbone(make_network(), identify("imagenet"), folder=tmp_path / "home")
    assert not (tmp_path / "home").exists()


def test_imagenet_is_downloaded_once_into_the_folder_and_used(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    source = make_network(seed=1)
    content = saved(backbone_of(source))
    monkeypatch.setattr(weights, "IMAGENET_SHA256", digest_bytes(content))
    with serving(content, monkeypatch) as asked:
        for _ in range(2):
            network = make_network(seed=2)
            load_backbone(network, identify("imagenet"), folder=tmp_path / "home")
            assert torch.equal(stem_of(network), stem_of(source))
    assert asked == ["/models/mobilenet-imagenet.pth"]
    files = [path for path in (tmp_path / "home").rglob("*") if path.is_file()]
    assert [path.read_bytes() for path in files] == [content]


def test_what_torch_downloaded_before_is_used(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved(backbone_of(make_network(seed=1)))
    monkeypatch.setattr(weights, "IMAGENET_SHA256", digest_bytes(content))
    before = tmp_path / "nobody" / "hub" / "checkpoints" / "mobilenet-imagenet.pth"
    before.parent.mkdir(parents=True)
    before.write_bytes(content)
    load_backbone(make_network(), identify("imagenet"), folder=tmp_path / "home")


def test_a_damaged_download_is_fetched_again(
    make_network: MakeNetwork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved(backbone_of(make_network(seed=1)))
    monkeypatch.setattr(weights, "IMAGENET_SHA256", digest_bytes(content))
    damaged = tmp_path / "home" / "mobilenet-imagenet.pth"
    damaged.parent.mkdir()
    damaged.write_bytes(content[:100])
    with serving(content, monkeypatch) as asked:
        load_backbone(make_network(), identify("imagenet"), folder=tmp_path / "home")
    assert len(asked) == 1
    assert damaged.read_bytes() == content


@pytest.mark.real_data
def test_real_imagenet_weights_load(make_network: MakeNetwork, tmp_path: Path) -> None:
    import torch

    folder = os.environ.get("ML_WORKFLOWS_REAL_DATA")
    if not folder:
        pytest.skip("ML_WORKFLOWS_REAL_DATA is not set")
    (path,) = Path(folder, "weights").glob("*.pth")
    network, before = make_network(), make_network()
    load_backbone(network, identify(str(path)), folder=tmp_path)
    assert not torch.equal(stem_of(network), stem_of(before))


def test_an_empty_file_keys_that_are_no_names_and_numbers_that_are_not_finite_are_refused(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    import torch

    network = make_network()
    not_finite = network.state_dict() | {"features.0.1.running_var": torch.full((16,), np.nan)}
    for content in (b"", saved({1: torch.zeros(2)}), saved(not_finite)):
        refusal(content, tmp_path / "weights.pth", network)


def test_a_file_that_is_gone_when_it_is_loaded_is_refused(
    make_network: MakeNetwork, tmp_path: Path
) -> None:
    network = make_network()
    path = tmp_path / "weights.pth"
    path.write_bytes(saved(backbone_of(network)))
    weights = identify(str(path))
    path.unlink()
    with pytest.raises(WeightsFault, match="cannot be read"):
        load_backbone(network, weights, folder=tmp_path)
