"""Which layers of a network learn, and how fast: frozen blocks, learning rates by depth.

Learning rates that decay from the last layer to the first are those of Clark et al. 2020, ICLR,
"ELECTRA", and Bao et al. 2022, ICLR, "BEiT".
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any

from timm.models import group_parameters
from timm.optim import param_groups_layer_decay  # type: ignore[attr-defined]
from torch import nn

from gz2tree.config import TrainConfig
from gz2tree.errors import InputError
from gz2tree.networks.network import GalaxyNet


def backbone_blocks(model: GalaxyNet) -> list[list[str]]:
    """Names of the backbone's parameters, block by block, as timm groups them.

    Parameters
    ----------
    model : GalaxyNet

    Returns
    -------
    blocks : list of list of str
        From the stem to the last block.
    """
    groups = group_parameters(model.backbone, model.backbone.group_matcher(coarse=False))
    return [list(groups[number]) for number in sorted(groups)]


def freeze(model: GalaxyNet, blocks: int | None) -> None:
    """Leave only the last blocks of the backbone, and the heads, free to learn.

    The others go into evaluation mode, so that the statistics of their BatchNorm stay as they are.

    Parameters
    ----------
    model : GalaxyNet
    blocks : int, optional
        How many blocks stay free; all by default.

    Raises
    ------
    InputError
        More blocks than the backbone has.
    """
    for parameter in model.parameters():
        parameter.requires_grad_(True)
    if blocks is None:
        return
    found = backbone_blocks(model)
    if blocks > len(found):
        raise InputError(
            f"blocks: expected at most {len(found)}, those of {model.backbone_name}, found {blocks}"
        )
    fixed = {name for block in found[: len(found) - blocks] for name in block}
    for name, parameter in model.backbone.named_parameters():
        parameter.requires_grad_(name not in fixed)
    for module in model.backbone.modules():
        own = list(module.parameters(recurse=False))
        if own and not any(parameter.requires_grad for parameter in own):
            module.eval()


def parameter_groups(model: GalaxyNet, config: TrainConfig) -> list[dict[str, Any]]:
    """Parameters that learn, with weight decay and learning rate.

    Parameters
    ----------
    model : GalaxyNet
    config : TrainConfig
        Biases and normalisation layers have no weight decay, nor has what a part of the network
        names itself, as timm does: the position embeddings of a vision transformer, for one.

    Returns
    -------
    groups : list of dict
        For a torch optimiser; the heads come first, at the full learning rate.
    """
    free = {name: p for name, p in model.named_parameters() if p.requires_grad}
    exempt = _exempt_from_decay(model)
    if config.layer_decay == 1:
        return _by_weight_decay(free, exempt, config)
    heads = {name: p for name, p in free.items() if not name.startswith("backbone.")}
    by_depth = param_groups_layer_decay(
        model.backbone,
        weight_decay=config.weight_decay,
        no_weight_decay_list=[name.removeprefix("backbone.") for name in exempt],
        layer_decay=config.layer_decay,
    )
    return _by_weight_decay(heads, exempt, config) + [
        {
            "params": group["params"],
            "weight_decay": group["weight_decay"],
            "lr": config.learning_rate * group["lr_scale"],
        }
        for group in by_depth
    ]


def _exempt_from_decay(model: GalaxyNet) -> list[str]:
    """Names of the parameters that backbone and pooling themselves say must not decay."""
    parts = {"backbone": model.backbone, "attention": model.attention}
    patterns = [
        f"{part}.{pattern}"
        for part, module in parts.items()
        if hasattr(module, "no_weight_decay")
        for pattern in module.no_weight_decay()
    ]
    names = [name for name, _ in model.named_parameters()]
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def _by_weight_decay(
    parameters: dict[str, nn.Parameter], exempt: list[str], config: TrainConfig
) -> list[dict[str, Any]]:
    free = {name for name, p in parameters.items() if p.ndim <= 1} | set(exempt)
    decayed = [p for name, p in parameters.items() if name not in free]
    return [
        {"params": decayed, "weight_decay": config.weight_decay},
        {"params": [p for name, p in parameters.items() if name in free], "weight_decay": 0.0},
    ]
