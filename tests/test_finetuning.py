"""A trained network taken to other trees and labels: what is kept, what learns, how fast."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import SMALL, SmallSky, random_labels

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    CutoutOptions,
    CutoutStore,
    DecisionTree,
    FlatNet,
    GalaxyTreeNet,
    InputError,
    LabelledCutouts,
    Question,
    TrainConfig,
    fit,
    load_model,
)
from gz2tree.cli import main
from gz2tree.config.choices import Pooling
from gz2tree.networks.finetuning import adapt
from gz2tree.networks.learning_rates import backbone_blocks, freeze, parameter_groups
from gz2tree.networks.network import GalaxyNet
from gz2tree.votes.calibration import Calibration

RINGS = DecisionTree("rings", [Question("ring", ["ringed", "ringless"])])


@pytest.fixture
def model() -> GalaxyTreeNet:
    torch.manual_seed(0)
    return GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL)


@pytest.mark.parametrize("kind", [GalaxyTreeNet, FlatNet])
def test_a_new_tree_keeps_the_backbone(kind: type[GalaxyNet]) -> None:
    model = kind("resnet10t", pretrained=False, cutouts=SMALL)  # type: ignore[call-arg]
    adapted = adapt(model, RINGS)
    assert type(adapted) is kind
    assert adapted.tree == RINGS
    images = torch.rand(2, 3, 32, 32)
    assert adapted.eval()(images).shape == (2, 2)
    torch.testing.assert_close(adapted.features(images), model.eval().features(images))


def test_the_same_questions_keep_their_heads(model: GalaxyTreeNet) -> None:
    model.training_record = {"answers": ["Class1.1"]}
    adapted = adapt(model, GZ2)
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(adapted.eval().logits(images), model.eval().logits(images))
    assert adapted.training_record == {"answers": [GZ2.columns[0]]}
    assert model.training_record == {"answers": ["Class1.1"]}
    assert adapt(model, RINGS).training_record == {}


def test_the_same_questions_keep_what_was_fitted_to_their_heads() -> None:
    """The answers known to it, calibration and typicality, under the other tree's columns."""
    trained = load_model("default")
    assert isinstance(trained, GalaxyTreeNet)
    temperature = tuple(np.linspace(0.5, 1.5, len(GZ2.questions)))
    trained.calibration = Calibration(temperature, temperature[::-1])
    adapted = adapt(trained, GZ2)
    assert isinstance(adapted, GalaxyTreeNet)
    assert adapted.untrained == []
    assert adapted.calibration == trained.calibration
    assert adapted.known_galaxies == trained.known_galaxies
    assert adapt(trained, GZ2, SMALL).typicality is None
    elsewhere = adapt(trained, RINGS)
    assert isinstance(elsewhere, GalaxyTreeNet)
    assert elsewhere.typicality is None
    assert elsewhere.calibration is None


def test_attention_and_other_options_are_carried_over() -> None:
    model = GalaxyTreeNet("resnet10t", pretrained=False, pooling="attention", activation="softmax")
    adapted = adapt(model, RINGS)
    assert adapted.config()["pooling"] == "attention"
    assert adapted.graph.activation == "softmax"


@pytest.mark.parametrize("name", ["resnet10t", "resnet50_v1_trunk", "tf_efficientnet_lite0"])
def test_blocks_hold_every_parameter_once(name: str) -> None:
    model = GalaxyTreeNet(name, pretrained=False, cutouts=SMALL)
    names = [parameter for block in backbone_blocks(model) for parameter in block]
    assert sorted(names) == sorted(name for name, _ in model.backbone.named_parameters())
    assert any("conv1" in name or "conv_stem" in name for name in backbone_blocks(model)[0])


def test_freezing_leaves_the_last_blocks_and_the_heads(model: GalaxyTreeNet) -> None:
    blocks = backbone_blocks(model)
    for free in (0, 1, len(blocks)):
        freeze(model, free)
        learning = {name for name, p in model.named_parameters() if p.requires_grad}
        expected = {f"backbone.{n}" for block in blocks[len(blocks) - free :] for n in block}
        expected |= {f"heads.{name}" for name, _ in model.heads.named_parameters()}
        assert learning == expected
    with pytest.raises(InputError, match=f"blocks: expected at most {len(blocks)}, those of"):
        freeze(model, len(blocks) + 1)


def test_learning_rates_decay_from_the_heads_to_the_stem(model: GalaxyTreeNet) -> None:
    config = TrainConfig(learning_rate=1.0, layer_decay=0.5)
    rate = {
        id(parameter): group.get("lr", config.learning_rate)
        for group in parameter_groups(model, config)
        for parameter in group["params"]
    }
    parameters = dict(model.backbone.named_parameters())
    by_block = [{rate[id(parameters[n])] for n in block} for block in backbone_blocks(model)]
    assert all(len(rates) == 1 for rates in by_block)
    rates = [rates.pop() for rates in by_block]
    np.testing.assert_allclose(np.divide(rates[1:], rates[:-1]), 2)
    assert all(rate[id(p)] == 1 for p in model.heads.parameters())
    assert len(rate) == len(list(model.parameters()))


@pytest.mark.parametrize("layer_decay", [1.0, 0.75])
@pytest.mark.parametrize(
    ("backbone", "free"),
    [
        ("vit_tiny_patch16_224", {"backbone.cls_token", "backbone.pos_embed"}),
        ("swinv2_tiny_window8_256", {"logit_scale", "cpb_mlp"}),
        ("resnet10t", {"attention.radial"}),
    ],
)
def test_what_a_network_exempts_is_not_decayed(
    backbone: str, free: set[str], layer_decay: float
) -> None:
    """All else of more than one dimension is, and every parameter is in one group."""
    pooling: Pooling = "attention" if backbone == "resnet10t" else "average"
    cutouts = CutoutOptions(256, 256)
    model = GalaxyTreeNet(backbone, pretrained=False, pooling=pooling, cutouts=cutouts)
    decay = {
        id(parameter): group["weight_decay"]
        for group in parameter_groups(model, TrainConfig(layer_decay=layer_decay))
        for parameter in group["params"]
    }
    assert len(decay) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        exempt = parameter.ndim <= 1 or any(part in name for part in free)
        assert decay[id(parameter)] == (0.0 if exempt else 0.05), name


@pytest.mark.parametrize("blocks", [0, 1])
def test_frozen_blocks_do_not_move(blocks: int, model: GalaxyTreeNet, small_sky: SmallSky) -> None:
    galaxies = LabelledCutouts(CutoutStore(small_sky.store), small_sky.labels)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    config = TrainConfig(epochs=2, batch_size=20, blocks=blocks, layer_decay=0.7)
    fit(model, galaxies, galaxies.take(np.arange(8)), config, progress=False)
    free = {n for block in backbone_blocks(model)[len(backbone_blocks(model)) - blocks :]
            for n in block}  # fmt: skip
    layers = {f"backbone.{name.rsplit('.', 1)[0]}" for name in free}
    moved = {n for n, weight in model.state_dict().items() if not torch.equal(weight, before[n])}
    assert {n for n in moved if n.startswith("heads.")}
    assert {n.rsplit(".", 1)[0] for n in moved if n.startswith("backbone.")} == layers


def test_command_takes_a_model_to_a_yes_or_no(small_sky: SmallSky, tmp_path: Path) -> None:
    torch.manual_seed(0)
    GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL).save_pretrained(tmp_path / "start")
    RINGS.to_file(tmp_path / "rings.yaml")
    labels = random_labels(list(small_sky.labels.ids), RINGS)
    table = pd.DataFrame(labels.cumulative, columns=list(RINGS.columns))
    table.insert(0, "id", labels.ids)
    table.to_csv(tmp_path / "rings.csv", index=False)
    command = [
        "finetune", "--model", tmp_path / "start", "--tree", tmp_path / "rings.yaml",
        "--labels", tmp_path / "rings.csv", "--images", small_sky.images, "--out", tmp_path / "run",
        "--epochs", 2, "--batch-size", 8, "--blocks", 0, "--test-fraction", 0.2,
    ]  # fmt: skip
    assert main(list(map(str, command))) == 0
    tuned, start = load_model(tmp_path / "run"), load_model(tmp_path / "start")
    assert tuned.tree == RINGS
    for name, weight in start.backbone.state_dict().items():
        torch.testing.assert_close(tuned.backbone.state_dict()[name], weight, rtol=0, atol=0)
    options = json.loads((tmp_path / "run" / "run.json").read_text())["options"]
    assert options["network"]["start"] == str(tmp_path / "start")
    assert options["network"]["tree"] == "rings"
    assert options["train"]["layer_decay"] == 0.75


def test_command_goes_on_under_the_models_own_tree(small_sky: SmallSky, tmp_path: Path) -> None:
    GalaxyTreeNet("resnet10t", pretrained=False, cutouts=SMALL).save_pretrained(tmp_path / "start")
    command = [
        "finetune", "--model", tmp_path / "start", "--labels", small_sky.table,
        "--images", small_sky.store, "--out", tmp_path / "run", "--epochs", 1, "--batch-size", 8,
    ]  # fmt: skip
    assert main(list(map(str, command))) == 0
    assert load_model(tmp_path / "run").tree == GZ2_KAGGLE
