"""Backbones by name from timm, and their weights.

``resnet50_v1`` is the network of He, Zhang, Ren & Sun 2016, CVPR, "Deep residual learning for
image recognition".
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from safetensors import SafetensorError, safe_open
from timm.models import register_model
from torch import Tensor, nn

from gz2tree.errors import InputError, did_you_mean, first_few, shown
from gz2tree.runs.faults import load_safely

# How a weights file says that its network has the stride of He et al. 2016.
_STRIDE_KEY, _STRIDE_V1 = "stride", " v1"


@register_model
def resnet50_v1(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNet50 as He et al. trained it: stride 2 in the first 1x1 convolution of a stage.

    timm's and torchvision's ``resnet50`` have that stride in the 3x3 convolution. The parameters
    have the same names and shapes, so weights of one load into the other and give wrong features.

    Raises
    ------
    InputError
        `pretrained` is true: timm's hub has no weights of this network.
    """
    if pretrained:
        raise InputError(
            "backbone resnet50_v1 has no weights on timm's hub: give pretrained=False or the path "
            "of a weights file"
        )
    kwargs.pop("pretrained_cfg", None)
    kwargs.pop("pretrained_cfg_overlay", None)
    network: Any = timm.create_model("resnet50", pretrained=False, **kwargs)
    for stage in (network.layer2, network.layer3, network.layer4):
        stage[0].conv1.stride, stage[0].conv2.stride = (2, 2), (1, 1)
    return network


@register_model
def resnet50_v1_trunk(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Build ``resnet50_v1`` without its end: of 3, 4, 6 and 3 blocks it has 3, 4, 1 and none.

    An eighth of the parameters (3.0 million), half the time, and 1,024 features on a map twice as
    fine. What is left out belongs to ImageNet's objects more than to small, smooth galaxies.
    Weights of the whole network load; those of the blocks it does not have are passed over.
    """
    network: Any = resnet50_v1(pretrained, **kwargs)
    network.left_out = (*(f"layer3.{n}." for n in range(1, 6)), "layer4.")
    network.layer3 = network.layer3[:1]
    network.layer4 = nn.Identity()
    network.num_features = network.head_hidden_size = 1024
    network.reset_classifier(network.num_classes)
    return network


def check_backbone(name: str, pretrained: bool | str | Path = False) -> None:
    """Refuse, with an InputError, what is no backbone (it names the nearest) or no weights file."""
    if not isinstance(pretrained, bool):
        _check_weights_file(Path(pretrained))
    if not isinstance(name, str):
        raise InputError(f"backbone: expected the name of a timm model, found {shown(name)}")
    base = name.split(".")[0]
    if not name.startswith(("hf_hub:", "hf-hub:")) and not timm.is_model(base):
        hint = did_you_mean(base, timm.list_models())
        raise InputError(f"backbone: expected the name of a timm model, found {name!r}{hint}")


def create_backbone(name: str, pretrained: bool | str | Path, size: int) -> nn.Module:
    """Build a timm network without its classifier.

    Parameters
    ----------
    name : str
        Any name of ``timm.list_models()``, ``"resnet50_v1"`` or ``"resnet50_v1_trunk"``.
    pretrained : bool or path
        True: timm's own weights, from its hub or the local cache. False: random weights. A path: a
        state dict, ``.safetensors`` or ``.pth``, loaded strictly.
    size : int, pixels
        Side of the images, for backbones that are made for one size (vision transformers).

    Returns
    -------
    backbone : nn.Module
        With `num_features`, `forward_features`, `forward_head` and `pretrained_cfg`.

    Raises
    ------
    InputError
        An unknown name, weights that cannot be downloaded, or a file that does not fit.
    """
    check_backbone(name)
    from_hub = pretrained is True
    known = timm.get_pretrained_cfg(name)
    fixed: dict[str, Any] = (
        {"img_size": size} if known is not None and known.fixed_input_size else {}
    )
    try:
        backbone: nn.Module = timm.create_model(name, pretrained=from_hub, num_classes=0, **fixed)
    except InputError:
        raise
    # timm and the hub raise many kinds of error, down to those of the HTTP library.
    except Exception as error:
        if not from_hub:
            raise InputError(f"backbone {name!r} cannot be built: {error}") from error
        raise InputError(
            f"the ImageNet weights of {name!r} could not be fetched from timm's hub "
            f"({type(error).__name__}). Offline? Give the path of a downloaded .safetensors or "
            ".pth file (--pretrained PATH), or start from random weights (--pretrained false)"
        ) from error
    if not isinstance(pretrained, bool):
        load_backbone_weights(backbone, Path(pretrained), name)
    return backbone


def channel_values(name: str, given: Sequence[float]) -> Tensor:
    """Mean or standard deviation of red, green and blue, as a tensor of shape (3, 1, 1).

    Parameters
    ----------
    name : {"mean", "std"}
    given : sequence of 3 floats

    Raises
    ------
    InputError
        Not three finite numbers, or a standard deviation that is not above 0.
    """
    try:
        values = torch.tensor(given, dtype=torch.float32)
    except (TypeError, ValueError, RuntimeError):
        values = torch.empty(0)
    if values.shape != (3,) or not values.isfinite().all() or (name == "std" and values.min() <= 0):
        above = " above 0" if name == "std" else ""
        raise InputError(f"{name}: expected three numbers{above}, found {shown(given)}")
    return values.view(3, 1, 1)


def check_images(images: Tensor) -> None:
    """Refuse, with an InputError, what is no batch of images that a network may look at."""
    if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
        raise InputError(
            "images: expected floating-point RGB in [0, 1] of shape (N, 3, H, W), found "
            f"{str(images.dtype).removeprefix('torch.')} of shape {tuple(images.shape)}"
        )


def load_backbone_weights(backbone: nn.Module, path: Path, name: str) -> None:
    """Load a state dict into a backbone, strictly but for the classifier it does not have.

    Raises
    ------
    InputError
        No such file, not a state dict of tensors, another stride, or other keys and shapes.
    """
    weights, metadata = _read_weights(path)
    if _STRIDE_V1 in metadata.get(_STRIDE_KEY, "") and not name.startswith("resnet50_v1"):
        raise InputError(
            f"{path}: these weights belong to a network with {metadata[_STRIDE_KEY]!r}; "
            f"expected backbone 'resnet50_v1', found {name!r}"
        )
    absent = _classifier_prefixes(backbone) + getattr(backbone, "left_out", ())
    weights = {key: value for key, value in weights.items() if not key.startswith(absent)}
    load_strictly(backbone, weights, path)


def load_strictly(module: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Load exactly these weights; half precision is converted to the module's own.

    Raises
    ------
    InputError
        Missing, unexpected or misshapen tensors, or values that are not finite; by name.
    """
    expected = module.state_dict()
    missing = sorted(set(expected) - set(weights))
    unexpected = sorted(set(weights) - set(expected))
    if missing or unexpected:
        found = [f"missing {first_few(missing)}"] if missing else []
        found += [f"unexpected {first_few(unexpected)}"] if unexpected else []
        raise InputError(
            f"{path}: expected the {len(expected)} tensors of this network: {'; '.join(found)}"
        )
    for key, value in weights.items():
        if value.shape != expected[key].shape:
            raise InputError(
                f"{path}: tensor {key}: expected shape {tuple(expected[key].shape)}, "
                f"found {tuple(value.shape)}"
            )
        if value.is_floating_point() and not torch.isfinite(value).all():
            raise InputError(f"{path}: tensor {key}: expected finite values, found NaN or inf")
    module.load_state_dict(weights, strict=True)


def read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Tensors and metadata of a safetensors file.

    Raises
    ------
    InputError
        No such file, or not in this format.
    """
    if not path.is_file():
        raise InputError(f"{path}: expected a weights file, found none")
    try:
        with safe_open(path, framework="pt") as file:
            return {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: expected a safetensors file: {error}") from error


def _check_weights_file(path: Path) -> None:
    if path.suffix not in (".safetensors", ".pth", ".pt"):
        raise InputError(
            f"pretrained: expected true, false or a .safetensors or .pth file, found {path}"
        )
    if not path.is_file():
        raise InputError(f"{path}: expected a weights file, found none")


def _read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    _check_weights_file(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        weights = load_safely(path)
    # A damaged or hostile file can fail in the zip reader, the unpickler or torch itself, whose
    # advice is to execute it.
    except Exception as error:
        raise InputError(
            f"{path}: expected a state dict of tensors, found another or a damaged file "
            f"({type(error).__name__}); nothing in it was executed"
        ) from error
    if not isinstance(weights, dict) or not all(isinstance(v, Tensor) for v in weights.values()):
        raise InputError(f"{path}: expected a state dict of tensors, found other objects")
    return weights, {}


def _classifier_prefixes(backbone: nn.Module) -> tuple[str, ...]:
    names = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))
