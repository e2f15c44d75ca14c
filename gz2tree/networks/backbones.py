"""Backbones by name from timm, and their weights.

``resnet50_v1`` is the network of He, Zhang, Ren & Sun 2016, CVPR, "Deep residual learning for
image recognition".
"""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any, cast

import timm
import torch
from timm.data import IMAGENET_DEFAULT_MEAN, IMAGENET_DEFAULT_STD
from timm.models import build_model_with_cfg, generate_default_cfgs, register_model
from timm.models.resnet import Bottleneck, ResNet
from torch import Tensor, nn

from gz2tree.errors import InputError, did_you_mean, shown
from gz2tree.networks.hub import HUB_PREFIXES, asking_the_hub
from gz2tree.networks.weights import check_weights_file, load_strictly, read_weights

# How a weights file says that its network has the stride of He et al. 2016.
_STRIDE_KEY, _STRIDE_V1 = "stride", " v1"


# What timm knows of a network before it is built: its entrance, its exit, and how images enter it.
_IMAGENET = {
    "num_classes": 1000,
    "input_size": (3, 224, 224),
    "pool_size": (7, 7),
    "interpolation": "bicubic",
    "crop_pct": 0.875,
    "mean": IMAGENET_DEFAULT_MEAN,
    "std": IMAGENET_DEFAULT_STD,
    "first_conv": "conv1",
    "classifier": "fc",
}
# timm looks for this name when a network of this module is registered.
default_cfgs = generate_default_cfgs(
    {
        "resnet50_v1.untrained": _IMAGENET,
        "resnet50_v1_trunk.untrained": _IMAGENET | {"pool_size": (14, 14)},
    }
)


class ResNetV1(ResNet):
    """timm's ResNet with the stride of a stage in the first 1x1 convolution of its first block.

    So it stands in He et al. 2016; timm's and torchvision's have it in the 3x3 convolution. The
    parameters have the same names and shapes, so that weights of one load into the other, and give
    wrong features.

    Parameters
    ----------
    *arguments, **options
        As of timm's ``ResNet``.
    """

    layer2: nn.Sequential
    layer3: nn.Sequential
    layer4: nn.Sequential
    left_out: tuple[str, ...] = ()
    """How the names of weights begin that belong to the whole network, and to nothing here."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        for stage in (self.layer2, self.layer3, self.layer4):
            for block in cast(list[Bottleneck], list(stage)[:1]):
                block.conv1.stride, block.conv2.stride = block.conv2.stride, block.conv1.stride


class ResNetV1Trunk(ResNetV1):
    """`ResNetV1` of 50 layers that ends after the first block of its third stage.

    Parameters
    ----------
    *arguments, **options
        As of timm's ``ResNet``.
    """

    left_out = (*(f"layer3.{n}." for n in range(1, 6)), "layer4.")

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # timm's methods go through all four stages, so the last one is there, and empty.
        self.layer3, self.layer4 = self.layer3[:1], nn.Sequential()
        self.feature_info.pop()
        self.num_features = self.head_hidden_size = self.feature_info[-1]["num_chs"]
        self.reset_classifier(self.num_classes)

    def forward_intermediates(
        self, x: Tensor, indices: int | list[int] | None = None, *arguments: Any, **options: Any
    ) -> Any:
        """Give the maps between the stages, as timm's ``ResNet`` does; there are four of them."""
        return super().forward_intermediates(x, self._maps(indices), *arguments, **options)

    def prune_intermediate_layers(
        self, indices: int | list[int] = 1, *arguments: Any, **options: Any
    ) -> list[int]:
        """Leave out the stages that are not needed for these maps, as timm's ``ResNet`` does."""
        kept = super().prune_intermediate_layers(self._maps(indices), *arguments, **options)
        return list(kept)

    def _maps(self, indices: int | list[int] | None) -> list[int]:
        """Count the maps that are meant from the first: the last so many, these, or all."""
        n = len(self.feature_info)
        if indices is None or isinstance(indices, int):
            return list(range(n))[-indices if indices else 0 :]
        return [range(n)[index] for index in indices]


@register_model
def resnet50_v1(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """ResNet50 as He et al. trained it: `ResNetV1` of 3, 4, 6 and 3 blocks.

    Raises
    ------
    InputError
        `pretrained` is true: timm's hub has no weights of this network.
    """
    return _build("resnet50_v1", ResNetV1, pretrained, **kwargs)


@register_model
def resnet50_v1_trunk(pretrained: bool = False, **kwargs: Any) -> nn.Module:
    """Build ``resnet50_v1`` without its end: of 3, 4, 6 and 3 blocks it has 3, 4, 1 and none.

    An eighth of the parameters (3.0 million), half the time, and 1,024 features on a map twice as
    fine. What is left out belongs to ImageNet's objects more than to small, smooth galaxies.
    Weights of the whole network load; those of the blocks it does not have are passed over.

    Raises
    ------
    InputError
        `pretrained` is true: timm's hub has no weights of this network.
    """
    maps = {"out_indices": (0, 1, 2, 3)}
    return _build("resnet50_v1_trunk", ResNetV1Trunk, pretrained, feature_cfg=maps, **kwargs)


def _build(name: str, kind: type[ResNetV1], pretrained: bool, **kwargs: Any) -> nn.Module:
    if pretrained:
        raise InputError(
            f"backbone {name} has no weights on timm's hub: give pretrained=False or the path "
            "of a weights file"
        )
    layers = (3, 4, 6, 3)
    network: nn.Module = build_model_with_cfg(
        kind, name, pretrained, block=Bottleneck, layers=layers, **kwargs
    )
    return network


def check_backbone(name: str, pretrained: bool | str | Path = False) -> None:
    """Refuse, with an InputError, what is no backbone (it names the nearest) or no weights file."""
    if not isinstance(pretrained, bool):
        check_weights_file(Path(pretrained))
    if not isinstance(name, str):
        raise InputError(f"backbone: expected the name of a timm model, found {shown(name)}")
    base = name.split(".")[0]
    if not name.startswith(HUB_PREFIXES) and not timm.is_model(base):
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
    asks = from_hub or name.startswith(HUB_PREFIXES)
    try:
        with asking_the_hub() if asks else nullcontext():
            backbone = _of_timm(name, from_hub, size)
    except InputError:
        raise
    # timm and the hub raise many kinds of error, down to those of the HTTP library.
    except Exception as error:
        if not asks:
            raise InputError(f"backbone {name!r} cannot be built: {error}") from error
        what = "ImageNet weights" if from_hub else "config"
        raise InputError(
            f"the {what} of {name!r} could not be fetched from timm's hub "
            f"({type(error).__name__}). "
            'Offline? Give the path of a downloaded .safetensors or .pth file (pretrained="FILE"; '
            "--pretrained FILE), or start from random weights (pretrained=False; --pretrained "
            "false)"
        ) from None
    if not isinstance(pretrained, bool):
        load_backbone_weights(backbone, Path(pretrained), name)
    return backbone


def _of_timm(name: str, pretrained: bool, size: int) -> nn.Module:
    known = timm.get_pretrained_cfg(name)
    fixed: dict[str, Any] = (
        {"img_size": size} if known is not None and known.fixed_input_size else {}
    )
    backbone: nn.Module = timm.create_model(name, pretrained=pretrained, num_classes=0, **fixed)
    return backbone


def name_without_hub(name: str, backbone: nn.Module, size: int) -> str:
    """Name a network by which it is built anew without asking the hub, if there is such a name.

    Parameters
    ----------
    name : str
        Of ``hf_hub:someone/encoder`` timm's name of its architecture is meant.
    backbone : nn.Module
        As `create_backbone` built it by this name.
    size : int, pixels
        Side of the images, as of `create_backbone`.

    Returns
    -------
    name : str
        As it was where it is not on the hub, or where the architecture alone has other weights:
        the hub knows more of it than timm.
    """
    architecture = str(getattr(backbone, "pretrained_cfg", {}).get("architecture"))
    if not name.startswith(HUB_PREFIXES) or not timm.is_model(architecture):
        return name
    with torch.device("meta"):
        plain = _of_timm(architecture, False, size)
    shapes = [{n: w.shape for n, w in net.state_dict().items()} for net in (backbone, plain)]
    return architecture if shapes[0] == shapes[1] else name


def load_backbone_weights(backbone: nn.Module, path: Path, name: str) -> None:
    """Load a state dict into a backbone, strictly but for the classifier it does not have.

    Raises
    ------
    InputError
        No such file, not a state dict of tensors, another stride, or other keys and shapes.
    """
    weights, metadata = read_weights(path)
    if _STRIDE_V1 in metadata.get(_STRIDE_KEY, "") and not name.startswith("resnet50_v1"):
        raise InputError(
            f"{path}: these weights belong to a network with {metadata[_STRIDE_KEY]!r}; "
            f"expected backbone 'resnet50_v1', found {name!r}; give --backbone resnet50_v1 "
            '(Python: GalaxyTreeNet("resnet50_v1"))'
        )
    absent = _classifier_prefixes(backbone) + getattr(backbone, "left_out", ())
    weights = {key: value for key, value in weights.items() if not key.startswith(absent)}
    load_strictly(backbone, weights, path)


def _classifier_prefixes(backbone: nn.Module) -> tuple[str, ...]:
    names = getattr(backbone, "pretrained_cfg", {}).get("classifier") or ()
    return tuple(f"{name}." for name in ((names,) if isinstance(names, str) else names))
