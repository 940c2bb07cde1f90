"""Backbone weights: which file is meant, and its tensors, checked before they are read."""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_workflows.errors import WeightsFault
from ml_workflows.store.digests import digest_file, write_whole

if TYPE_CHECKING:
    from torch import Tensor

    from ml_workflows.model.network import MobileNetV3Small

IMAGENET = "imagenet"
NONE = "none"
#: torchvision's MobileNet_V3_Small_Weights.IMAGENET1K_V1 (BSD-3-Clause).
IMAGENET_URL = "https://download.pytorch.org/models/mobilenet_v3_small-047dcff4.pth"
IMAGENET_SHA256 = "047dcff4addef86ea5bc2eff13c9614dc11f47ab1160d0a71a25e7db994f4e1f"

_DOWNLOAD_TIMEOUT_SECONDS = 30
_MAX_BYTES = 2**30
_BACKBONE = "features."
_DETAIL_LETTERS = 200
_OTHER_FILE = "Give a state dict of torchvision's mobilenet_v3_small."


@dataclass(frozen=True, kw_only=True)
class Weights:
    """What the backbone starts from: ``origin`` is imagenet, none or file."""

    origin: str
    path: str = ""
    sha256: str = ""


def identify(weights: str) -> Weights:
    """The weights that the parameter names, by digest; nothing is fetched or loaded.

    Raises:
        WeightsFault: there is no such file.
    """
    if weights == NONE:
        return Weights(origin=NONE)
    if weights == IMAGENET:
        return Weights(origin=IMAGENET, sha256=IMAGENET_SHA256)
    path = Path(weights)
    if path.suffix not in (".pth", ".pt", ".safetensors") or not _is_file(path):
        raise WeightsFault(
            "the weights are no .pth, .pt or .safetensors file",
            seen=weights,
            remedy="Give --weights 'imagenet', 'none', or the path of such a file.",
        )
    return Weights(origin="file", path=str(path.absolute()), sha256=digest_file(path))


def load_backbone(network: MobileNetV3Small, weights: Weights, *, folder: Path) -> None:
    """Put the weights into ``network.features``; a classifier in the file is left alone.

    Raises:
        WeightsFault: the file cannot be had, changed, or holds another network's tensors.
    """
    if weights.origin == NONE:
        return
    path = Path(weights.path) if weights.path else _imagenet(folder)
    tensors = _read(path, weights.sha256)
    backbone = {
        name.removeprefix(_BACKBONE): tensor
        for name, tensor in tensors.items()
        if name.startswith(_BACKBONE)
    }
    if not all(bool(tensor.isfinite().all()) for tensor in backbone.values()):
        raise WeightsFault(f"{path.name} holds numbers that are not finite", remedy=_OTHER_FILE)
    try:
        network.features.load_state_dict(backbone)
    except RuntimeError as error:
        raise WeightsFault(
            f"{path.name} does not hold the backbone of MobileNetV3-Small",
            seen=" ".join(str(error).split())[:_DETAIL_LETTERS],
            remedy=_OTHER_FILE,
        ) from error


def _read(path: Path, sha256: str) -> dict[str, Tensor]:
    """The file's tensors, from the very bytes whose digest was checked."""
    import torch

    try:
        content = path.read_bytes()
    except OSError as error:
        raise WeightsFault(
            f"{path.name} cannot be read: {error.strerror}", remedy="Run the command again."
        ) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsFault(
            f"{path.name} is not the file that it was", remedy="Run the command again."
        )
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load

            tensors: object = load(content)
        else:
            tensors = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except Exception as error:  # a hostile or broken file makes the readers raise anything
        raise WeightsFault(
            f"{path.name} cannot be read as weights",
            seen=type(error).__name__,
            remedy="Give a file with nothing but a state dict, saved by torch or safetensors.",
        ) from error
    if not isinstance(tensors, dict) or not all(
        isinstance(name, str) and isinstance(tensor, torch.Tensor)
        for name, tensor in tensors.items()
    ):
        raise WeightsFault(
            f"{path.name} is no state dict", seen=type(tensors).__name__, remedy=_OTHER_FILE
        )
    return tensors


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # the name is longer than a name can be
        return False


def _imagenet(folder: Path) -> Path:
    """torchvision's file, from the home, from torch's own cache, or downloaded into the home."""
    name = IMAGENET_URL.rpartition("/")[2]
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    torch_home = Path(os.environ.get("TORCH_HOME") or Path(cache, "torch"))
    for path in (folder / name, torch_home / "hub" / "checkpoints" / name):
        if path.is_file() and digest_file(path) == IMAGENET_SHA256:
            return path
    try:
        with urllib.request.urlopen(IMAGENET_URL, timeout=_DOWNLOAD_TIMEOUT_SECONDS) as answer:
            content = answer.read(_MAX_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise WeightsFault(
            f"the ImageNet weights cannot be fetched from {IMAGENET_URL}: {error}",
            remedy="Fetch the file where there is a network and name it with --weights FILE,"
            " or start from random weights with --weights none.",
        ) from error
    if hashlib.sha256(content).hexdigest() != IMAGENET_SHA256:
        raise WeightsFault(
            f"what {IMAGENET_URL} answered is not the ImageNet weights",
            seen=f"SHA-256 {hashlib.sha256(content).hexdigest()}",
            remedy="A proxy may have answered; fetch the file yourself, give --weights FILE.",
        )
    write_whole(folder / name, content)
    return folder / name
