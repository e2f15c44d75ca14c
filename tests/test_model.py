"""The networks: what they give, how weights enter, saving and loading."""

from __future__ import annotations

import inspect
import itertools
import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file

from gz2tree import (
    GZ2,
    GZ2_KAGGLE,
    CutoutOptions,
    DecisionTree,
    FlatNet,
    GalaxyTreeNet,
    InputError,
    Question,
    load_model,
)
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.pooling import QuestionPooling

SMALL = CutoutOptions(crop=40, size=32)
TINY = "resnet10t"


@pytest.fixture(scope="module")
def tree_net() -> GalaxyTreeNet:
    torch.manual_seed(0)
    return GalaxyTreeNet(TINY, pretrained=False, cutouts=SMALL).eval()


@pytest.fixture
def images() -> torch.Tensor:
    return torch.rand(3, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def flat_nets() -> list[FlatNet]:
    torch.manual_seed(0)
    options = [
        {},
        {"renormalised": True},
        {"head": "flatten"},
        {"head": "attention"},
        {"renormalised": "to_parent"},
    ]
    return [FlatNet(TINY, pretrained=False, cutouts=SMALL, **more).eval() for more in options]


def hub_cache(folder: Path) -> None:
    """Write what huggingface_hub keeps of a network that was fetched before."""
    revision = "0" * 40
    snapshot = folder / "models--someone--encoder" / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(revision)
    network = timm.create_model(TINY, num_classes=0)
    torch.nn.init.constant_(network.conv1[0].weight, 0.25)
    save_file(network.state_dict(), snapshot / "model.safetensors")
    entrance = {"mean": [0.5] * 3, "std": [0.25] * 3, "input_size": [3, 176, 176]}
    names = {"first_conv": "conv1.0", "classifier": "fc", "num_classes": 0}
    config = {"architecture": TINY, "num_features": 512, "pretrained_cfg": entrance | names}
    (snapshot / "config.json").write_text(json.dumps(config | {"num_classes": 0}))


class TestGalaxyTreeNet:
    def test_parts_agree_with_the_whole(
        self, tree_net: GalaxyTreeNet, images: torch.Tensor
    ) -> None:
        logits = tree_net.logits(images)
        assert torch.equal(tree_net(images), tree_net.graph(logits))
        assert torch.equal(tree_net.conditional(images), tree_net.graph.conditional(logits))
        assert tree_net.features(images).shape == (3, tree_net.backbone.num_features)

    def test_has_one_head_for_each_question(self, tree_net: GalaxyTreeNet) -> None:
        sizes = [head.out_features for head in tree_net.heads]
        assert sizes == [len(question) for question in GZ2_KAGGLE.questions]

    def test_normalises_images_itself(self, tree_net: GalaxyTreeNet, images: torch.Tensor) -> None:
        """The backbone alone, on images normalised by hand, gives the same features."""
        mean = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1)
        std = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
        expected = tree_net.backbone((images - mean) / std)
        assert torch.allclose(tree_net.features(images), expected, atol=1e-6)

    def test_is_float32_and_consistent_under_autocast(
        self, tree_net: GalaxyTreeNet, images: torch.Tensor
    ) -> None:
        with torch.autocast("cpu", dtype=torch.bfloat16):
            cumulative = tree_net(images)
        assert cumulative.dtype == torch.float32
        sums = torch.stack([cumulative[:, answers].sum(-1) for answers in GZ2_KAGGLE.slices], -1)
        assert (sums - tree_net.graph.reach(cumulative)).abs().max() < 1e-6

    @pytest.mark.parametrize(
        "wrong",
        [torch.zeros(3, 32, 32), torch.zeros(1, 1, 32, 32), torch.zeros(1, 3, 8, 8).byte()],
        ids=["no batch", "one channel", "uint8"],
    )
    def test_refuses_other_images(self, tree_net: GalaxyTreeNet, wrong: torch.Tensor) -> None:
        with pytest.raises(InputError, match=r"expected floating-point RGB .* found"):
            tree_net(wrong)


@pytest.mark.parametrize(
    "backbone",
    [
        "mobilenetv3_small_050",
        "ghostnet_050",
        "vit_tiny_patch16_224",
        "convnext_atto",
        "vgg11",
        "swin_tiny_patch4_window7_224",
    ],
)
def test_any_timm_backbone_works(backbone: str, images: torch.Tensor) -> None:
    """Also those with a layer before the classifier, or made for one image size."""
    net = GalaxyTreeNet(backbone, pretrained=False, cutouts=SMALL).eval()
    assert net(images).shape == (3, len(GZ2_KAGGLE))
    assert net.features(images).shape == (3, net.head_hidden_size)


def test_questions_may_be_called_anything(images: torch.Tensor) -> None:
    """Also what torch's containers call their own methods."""
    names = ("type", "keys", "training", "forward")
    tree = DecisionTree("odd names", [Question(name, [f"{name}_yes"]) for name in names])
    assert GalaxyTreeNet(TINY, tree, pretrained=False)(images).shape == (3, 4)


class TestFlatNet:
    def test_is_a_sigmoid_of_each_logit(self, images: torch.Tensor) -> None:
        plain = flat_nets()[0]
        assert torch.allclose(plain(images), torch.sigmoid(plain.logits(images)))

    def test_renormalised_sums_to_one_within_each_question(self, images: torch.Tensor) -> None:
        renormalised = flat_nets()[1]
        given = renormalised(images)
        sigmoid = torch.sigmoid(renormalised.logits(images))
        for answers in GZ2_KAGGLE.slices:
            expected = sigmoid[:, answers] / sigmoid[:, answers].sum(-1, keepdim=True)
            assert torch.allclose(given[:, answers], expected, atol=1e-6)

    def test_renormalised_to_the_parent_keeps_the_sums_of_the_tree(
        self, images: torch.Tensor
    ) -> None:
        network = flat_nets()[-1]
        given = network(images)
        sigmoid = torch.sigmoid(network.logits(images))
        for answers, parents in zip(GZ2_KAGGLE.slices, GZ2_KAGGLE.parents, strict=True):
            of_parents = given[:, list(parents)].sum(-1, keepdim=True) if parents else 1.0
            share = sigmoid[:, answers] / sigmoid[:, answers].sum(-1, keepdim=True)
            assert torch.allclose(given[:, answers], share * of_parents, atol=1e-6)

    def test_refuses_an_unknown_renormalisation(self) -> None:
        with pytest.raises(InputError, match="renormalised: expected"):
            FlatNet(TINY, pretrained=False, renormalised="to_child")  # type: ignore[arg-type]

    def test_paper_network_has_the_published_size(self) -> None:
        """24,269,733 in Keras: 26,560 convolution biases and 53,120 BatchNorm statistics more."""
        paper = FlatNet(
            "resnet50", pretrained=False, head="flatten", cutouts=CutoutOptions(120, 96)
        )
        assert sum(p.numel() for p in paper.heads.parameters()) == 682_021
        n = sum(p.numel() for p in paper.parameters())
        assert n == 24_190_053
        assert n + 26_560 + 53_120 == 24_269_733

    def test_flatten_refuses_another_image_size(self) -> None:
        with pytest.raises(InputError, match=r"expected 32 x 32 pixels, found 96 x 96"):
            flat_nets()[2](torch.zeros(1, 3, 96, 96))

    def test_gate_of_a_tree_is_that_of_its_tree(self, images: torch.Tensor) -> None:
        """The sums hold after it as they did before."""
        network = flat_nets()[-1]
        given = network(images)
        gated = network.gate(given, 0.3)
        assert (gated == 0).any()
        assert torch.equal(gated, network.graph.gate(given, 0.3))
        for answers, parents in zip(GZ2_KAGGLE.slices, GZ2_KAGGLE.parents, strict=True):
            of_parents = gated[:, list(parents)].sum(-1) if parents else torch.ones(3)
            torch.testing.assert_close(gated[:, answers].sum(-1), of_parents)

    @pytest.mark.parametrize("threshold", [-0.1, 7.0, math.nan])
    @pytest.mark.parametrize("number", range(5))
    def test_gate_refuses_what_is_no_probability(
        self, number: int, threshold: float, images: torch.Tensor
    ) -> None:
        network = flat_nets()[number]
        with pytest.raises(InputError, match="gate: expected a probability"):
            network.gate(network(images), threshold)

    def test_gate_is_a_threshold(self, images: torch.Tensor) -> None:
        plain = flat_nets()[0]
        given = plain(images)
        gated = plain.gate(given, 0.5)
        assert torch.equal(gated, given * (given >= 0.5))
        assert (gated == 0).any()


class TestPretrained:
    def test_file_gives_the_same_features(self, tmp_path: Path) -> None:
        torch.manual_seed(1)
        donor = timm.create_model(TINY, pretrained=False).eval()  # with its classifier
        save_file(donor.state_dict(), tmp_path / "w.safetensors")
        torch.save(donor.state_dict(), tmp_path / "w.pth")
        for name, head in itertools.product(("w.safetensors", "w.pth"), ("pooled", "flatten")):
            net = FlatNet(TINY, pretrained=tmp_path / name, head=head, cutouts=SMALL)
            assert net.training
            for key, value in net.backbone.state_dict().items():
                assert torch.equal(value, donor.state_dict()[key])

    def test_half_precision_file_is_converted(self, tmp_path: Path) -> None:
        donor = timm.create_model(TINY, pretrained=False, num_classes=0)
        half = {k: v.half() if v.is_floating_point() else v for k, v in donor.state_dict().items()}
        save_file(half, tmp_path / "half.safetensors")
        net = GalaxyTreeNet(TINY, pretrained=tmp_path / "half.safetensors")
        assert {p.dtype for p in net.parameters()} == {torch.float32}

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda w: w.pop("conv1.0.weight"), "missing conv1.0.weight"),
            (lambda w: w.update(extra=torch.zeros(1)), "unexpected extra"),
            (lambda w: w.update({"bn1.weight": torch.zeros(7)}), r"bn1.weight: expected shape"),
            (lambda w: w["bn1.weight"].fill_(torch.nan), r"bn1.weight: expected finite"),
        ],
        ids=["missing", "unexpected", "shape", "NaN"],
    )
    def test_file_that_does_not_fit_is_refused(
        self, tmp_path: Path, change: object, message: str
    ) -> None:
        weights = timm.create_model(TINY, pretrained=False, num_classes=0).state_dict()
        change(weights)  # type: ignore[operator]
        save_file(weights, tmp_path / "w.safetensors")
        with pytest.raises(InputError, match=message):
            GalaxyTreeNet(TINY, pretrained=tmp_path / "w.safetensors")

    def test_pickle_is_not_executed(self, tmp_path: Path) -> None:
        class Evil:
            def __reduce__(self) -> tuple[object, tuple[str]]:
                return (Path.touch, (tmp_path / "executed",))  # type: ignore[return-value]

        torch.save({"x": Evil()}, tmp_path / "evil.pth")
        (tmp_path / "evil.safetensors").write_bytes((tmp_path / "evil.pth").read_bytes())
        for name in ("evil.pth", "evil.safetensors"):
            with pytest.raises(InputError, match=name):
                GalaxyTreeNet(TINY, pretrained=tmp_path / name)
        assert not (tmp_path / "executed").exists()

    @pytest.mark.parametrize("name", ["nowhere.safetensors", "nowhere.pth", "weights.h5"])
    def test_no_such_file_is_refused(self, name: str) -> None:
        with pytest.raises(InputError, match=name):
            GalaxyTreeNet(TINY, pretrained=name)

    def test_unknown_backbone_is_refused_with_the_nearest(self) -> None:
        with pytest.raises(InputError, match=r"found 'resnet5O'; did you mean resnet50"):
            GalaxyTreeNet("resnet5O", pretrained=False)

    def test_offline_hub_says_what_to_do(self) -> None:
        code = f"from gz2tree import GalaxyTreeNet; GalaxyTreeNet({TINY!r})"
        done = subprocess.run(
            [sys.executable, "-c", code],
            env={"HF_HUB_OFFLINE": "1", "HF_HOME": "/nonexistent", "PATH": ""},
            capture_output=True,
            text=True,
        )
        assert "InputError" in done.stderr
        assert "Offline? Give the path" in done.stderr
        assert 'pretrained="FILE"; --pretrained FILE' in done.stderr
        assert done.stderr.count("Traceback") == 1

    def test_hub_out_of_reach_is_given_up_at_once(self, tmp_path: Path) -> None:
        """Without the minute of tries that huggingface_hub tells of, one by one."""
        code = f"from gz2tree import GalaxyTreeNet; GalaxyTreeNet({TINY!r})"
        nowhere = {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HOME": str(tmp_path), "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-c", code], env=nowhere, capture_output=True, text=True, timeout=40
        )
        assert "Offline? Give the path" in done.stderr
        assert "Retrying" not in done.stderr

    def test_backbone_of_the_hub_is_loaded_without_it(self, tmp_path: Path) -> None:
        """A saved network needs the hub no more: timm's architecture is enough to build it."""
        hub_cache(tmp_path / "hub")
        code = (
            "import sys; from gz2tree import GalaxyTreeNet as Net\n"
            "net = Net('hf_hub:someone/encoder'); net.save_pretrained(sys.argv[1])\n"
            "print(net.backbone.conv1[0].weight.flatten()[0].item())"
        )
        hub = {"HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1", "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "saved")],
            env=hub, capture_output=True, text=True, check=True,
        )  # fmt: skip
        (tmp_path / "hub").rename(tmp_path / "elsewhere")
        loaded = load_model(tmp_path / "saved")
        assert loaded.backbone_name == TINY
        assert loaded.mean.flatten().tolist() == [0.5, 0.5, 0.5]
        assert float(done.stdout) == 0.25 == loaded.backbone.conv1[0].weight.flatten()[0]


class TestResNet50V1:
    def test_stride_is_in_the_first_convolution(self) -> None:
        v1 = timm.create_model("resnet50_v1", num_classes=0)
        timms = timm.create_model("resnet50", num_classes=0)
        for stage in ("layer2", "layer3", "layer4"):
            ours, theirs = getattr(v1, stage)[0], getattr(timms, stage)[0]
            assert (ours.conv1.stride, ours.conv2.stride) == ((2, 2), (1, 1))
            assert (theirs.conv1.stride, theirs.conv2.stride) == ((1, 1), (2, 2))
        assert v1.state_dict().keys() == timms.state_dict().keys()

    def test_weights_that_name_the_stride_are_refused_by_resnet50(self, tmp_path: Path) -> None:
        weights = timm.create_model("resnet50", num_classes=0).state_dict()
        said = {"stride": "He et al. v1: stride 2 in conv1 of the first block of layer2-4"}
        save_file(weights, tmp_path / "v1.safetensors", metadata=said)
        with pytest.raises(InputError, match=r"found 'resnet50'; give --backbone resnet50_v1"):
            GalaxyTreeNet("resnet50", pretrained=tmp_path / "v1.safetensors")
        GalaxyTreeNet("resnet50_v1", pretrained=tmp_path / "v1.safetensors")

    def test_takes_the_shared_imagenet_weights(self, shared: Path) -> None:
        file = shared / "weights" / "resnet50_v1_imagenet_fp16.safetensors"
        net = GalaxyTreeNet("resnet50_v1", pretrained=file)
        expected = load_file(file)["layer4.2.conv3.weight"].float()
        assert torch.equal(net.backbone.layer4[2].conv3.weight, expected)


class TestTrunk:
    def test_is_the_whole_network_without_some_blocks(self, tmp_path: Path) -> None:
        """Whose weights it takes, and nothing else of them."""
        torch.manual_seed(0)
        whole = timm.create_model("resnet50_v1", num_classes=10).eval()
        for name, buffer in whole.named_buffers():
            if name.endswith("running_var"):
                buffer.uniform_(0.5, 2.0)
        save_file(whole.state_dict(), tmp_path / "whole.safetensors", {"stride": "v1 v1"})
        net = GalaxyTreeNet("resnet50_v1_trunk", pretrained=tmp_path / "whole.safetensors").eval()
        images = torch.randn(2, 3, 64, 64)
        x = whole.maxpool(whole.act1(whole.bn1(whole.conv1(images))))
        for block in (*whole.layer1, *whole.layer2, whole.layer3[0]):
            x = block(x)
        torch.testing.assert_close(net.backbone.forward_features(images), x)
        assert net.features(images).shape == (2, net.head_hidden_size) == (2, 1024)

    def test_is_a_network_of_timm_in_all_that_timm_promises(self) -> None:
        backbone = GalaxyTreeNet("resnet50_v1_trunk", pretrained=False).backbone.eval()
        images = torch.rand(2, 3, 64, 64)
        last = backbone.forward_features(images)
        channels = [info["num_chs"] for info in backbone.feature_info]
        assert channels == [64, 256, 512, 1024]
        assert channels[-1] == backbone.num_features
        for indices, expected in (
            (None, channels), (1, [1024]), (2, [512, 1024]), ([0, -1], [64, 1024]),
        ):  # fmt: skip
            end, maps = backbone.forward_intermediates(images, indices)
            assert [each.shape[1] for each in maps] == expected
            assert torch.equal(end, last)
            assert torch.equal(maps[-1], last)
        plain = backbone(images)
        backbone.train()
        backbone.set_grad_checkpointing()
        for module in backbone.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.eval()
        torch.testing.assert_close(backbone(images), plain)
        backbone(images).sum().backward()
        assert all(parameter.grad is not None for parameter in backbone.parameters())
        backbone.reset_classifier(5)
        assert backbone.get_classifier().in_features == 1024
        assert backbone(images).shape == (2, 5)
        assert backbone.prune_intermediate_layers([1]) == [1]
        assert len(backbone.layer3) == 0

    @pytest.mark.parametrize("name", ["resnet50_v1", "resnet50_v1_trunk"])
    def test_timm_builds_it_with_what_it_builds_others_with(self, name: str) -> None:
        images = torch.rand(1, 3, 64, 64)
        maps = timm.create_model(name, features_only=True)
        assert [each.shape[1] for each in maps(images)] == maps.feature_info.channels()
        some = timm.create_model(name, features_only=True, out_indices=(1, 2))
        assert [each.shape[-1] for each in some(images)] == [16, 8]
        dilated = timm.create_model(name, num_classes=0, output_stride=8)
        assert dilated.forward_features(images).shape[-1] == 8
        assert timm.get_pretrained_cfg(name).std == (0.229, 0.224, 0.225)
        with pytest.raises(InputError, match=f"backbone {name} has no weights on timm's hub"):
            timm.create_model(name, pretrained=True)

    def test_incomplete_weights_are_refused(self, tmp_path: Path) -> None:
        weights = timm.create_model("resnet50_v1", num_classes=0).state_dict()
        del weights["layer3.0.conv2.weight"]
        save_file(weights, tmp_path / "w.safetensors")
        with pytest.raises(InputError, match=r"missing layer3\.0\.conv2\.weight"):
            GalaxyTreeNet("resnet50_v1_trunk", pretrained=tmp_path / "w.safetensors")


class TestAttention:
    def net(self, tree: DecisionTree = GZ2_KAGGLE) -> GalaxyTreeNet:
        torch.manual_seed(0)
        return GalaxyTreeNet(TINY, tree, False, pooling="attention", cutouts=SMALL).eval()

    @pytest.fixture
    def images(self) -> torch.Tensor:
        """So large that the feature map has more than one place."""
        return torch.rand(2, 3, 96, 96, generator=torch.Generator().manual_seed(0))

    def test_begins_as_the_average(self, images: torch.Tensor) -> None:
        attention, average = self.net(), GalaxyTreeNet(TINY, pretrained=False, cutouts=SMALL)
        weights = attention.state_dict()
        del weights["attention.query.weight"], weights["attention.radial"]
        average.load_state_dict(weights)
        torch.testing.assert_close(attention(images), average.eval()(images))

    def test_weights_are_the_softmax_over_places(self) -> None:
        """Against a loop over galaxies, questions and places."""
        pooling = QuestionPooling(5, 3).double()
        torch.nn.init.normal_(pooling.query.weight)
        torch.nn.init.normal_(pooling.radial)
        maps = torch.randn(2, 5, 4, 6, dtype=torch.float64)
        result = pooling(maps)
        for n, q in itertools.product(range(2), range(3)):
            weights, values = [], []
            for i, j in itertools.product(range(4), range(6)):
                r = math.hypot((2 * i + 1) / 4 - 1, (2 * j + 1) / 6 - 1)
                a, b = pooling.radial[q].tolist()
                score = pooling.query.weight[q, :, 0, 0] @ maps[n, :, i, j] + a * r + b * r * r
                weights.append(math.exp(score.item()))
                values.append(maps[n, :, i, j])
            expected = sum(w * v for w, v in zip(weights, values, strict=True)) / sum(weights)
            torch.testing.assert_close(result[n, q], expected, rtol=1e-5, atol=1e-5)

    def test_each_question_has_its_own(self, images: torch.Tensor) -> None:
        net = self.net()
        before = net.logits(images)
        with torch.no_grad():
            net.attention.radial[3] = torch.tensor([5.0, -2.0])  # type: ignore[union-attr]
        changed = (net.logits(images) != before).any(0)
        assert changed[GZ2_KAGGLE.slices[3]].all()
        assert not changed[: GZ2_KAGGLE.slices[3].start].any()
        assert not changed[GZ2_KAGGLE.slices[3].stop :].any()

    def test_survives_saving(self, images: torch.Tensor, tmp_path: Path) -> None:
        net = self.net()
        torch.nn.init.normal_(net.attention.query.weight)  # type: ignore[union-attr]
        net.save_pretrained(tmp_path)
        assert torch.equal(load_model(tmp_path)(images), net(images))

    def test_backbone_without_a_map_is_refused(self) -> None:
        net = GalaxyTreeNet(
            "vit_tiny_patch16_224", pretrained=False, pooling="attention",
            cutouts=CutoutOptions(224, 224),
        )  # fmt: skip
        with pytest.raises(
            InputError,
            match=r"expected a feature map .* found \(1, 197, 192\): .*--pooling average",
        ):
            net(torch.rand(1, 3, 224, 224))

    def test_takes_maps_with_their_features_last(self) -> None:
        """As a Swin transformer gives them; equal weights begin as its average."""
        options = {"pretrained": False, "cutouts": CutoutOptions(224, 224)}
        torch.manual_seed(0)
        net = GalaxyTreeNet("swin_tiny_patch4_window7_224", pooling="attention", **options).eval()
        feature_map = net.forward_features(torch.rand(1, 3, 224, 224))  # (1, 7, 7, 768)
        pooled = net.attention(feature_map)  # type: ignore[misc]
        expected = net.pooled(feature_map)[:, None].expand(-1, len(GZ2_KAGGLE.questions), -1)
        torch.testing.assert_close(pooled, expected)

    def test_unknown_pooling_is_refused(self) -> None:
        with pytest.raises(InputError, match="one of average, attention, found 'max'"):
            GalaxyTreeNet(TINY, pretrained=False, pooling="max")  # type: ignore[arg-type]


class TestSaving:
    @pytest.mark.parametrize("number", range(6))
    def test_loaded_model_gives_the_same_output(
        self, number: int, tree_net: GalaxyTreeNet, images: torch.Tensor, tmp_path: Path
    ) -> None:
        model: GalaxyNet = [tree_net, *flat_nets()][number]
        model.save_pretrained(tmp_path)
        for loaded in (load_model(tmp_path), type(model).from_pretrained(tmp_path)):
            assert type(loaded) is type(model)
            assert not loaded.training
            assert torch.equal(loaded(images), model(images))

    def test_folder_says_what_the_model_is_and_may_be_read(
        self, tree_net: GalaxyTreeNet, tmp_path: Path
    ) -> None:
        tree_net.save_pretrained(tmp_path)
        card = (tmp_path / "README.md").read_text()
        assert "decision tree GZ2_KAGGLE" in card
        assert f"GalaxyTreeNet, backbone {TINY}" in card
        assert "Trained: not yet" in card
        assert "More Information Needed" not in card
        modes = {file.stat().st_mode for file in tmp_path.iterdir()}
        assert len(modes) == 1

    @pytest.mark.parametrize("kind", [GalaxyTreeNet, FlatNet])
    def test_signature_is_that_of_the_network(self, kind: type[GalaxyNet]) -> None:
        parameters = inspect.signature(kind).parameters
        assert next(iter(parameters)) == "backbone"
        assert parameters["tree"].default is GZ2_KAGGLE

    def test_model_carries_what_it_was_made_with(self, tmp_path: Path) -> None:
        made = GalaxyTreeNet(
            TINY,
            GZ2,
            pretrained=False,
            activation="normalised_sigmoid",
            cutouts=SMALL,
            kind="debiased",
            training={"epochs": 3},
            mean=(0.1, 0.2, 0.3),
            std=(0.4, 0.5, 0.6),
        )
        made.save_pretrained(tmp_path)
        loaded = GalaxyTreeNet.from_pretrained(tmp_path)
        assert loaded.config() == made.config()
        assert loaded.tree == GZ2
        assert loaded.cutouts == SMALL
        assert loaded.mean.flatten().tolist() == pytest.approx([0.1, 0.2, 0.3])
        config = json.loads((tmp_path / "config.json").read_text())
        assert config["columns"] == list(GZ2.columns)
        assert config["gz2tree_version"]

    def test_loading_never_replays_pretrained(
        self, tmp_path: Path, images: torch.Tensor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        donor = timm.create_model(TINY, pretrained=False, num_classes=0)
        save_file(donor.state_dict(), tmp_path / "w.safetensors")
        made = GalaxyTreeNet(TINY, pretrained=tmp_path / "w.safetensors", cutouts=SMALL)
        made.save_pretrained(tmp_path / "model")
        (tmp_path / "w.safetensors").unlink()
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        loaded = GalaxyTreeNet.from_pretrained(tmp_path / "model", pretrained=True)
        assert torch.equal(loaded(images), made.eval()(images))

    def test_other_class_is_refused(self, tree_net: GalaxyTreeNet, tmp_path: Path) -> None:
        tree_net.save_pretrained(tmp_path)
        with pytest.raises(InputError, match="expected a FlatNet, found GalaxyTreeNet"):
            FlatNet.from_pretrained(tmp_path)

    @pytest.mark.parametrize("damage", ["pickle", "truncated", "missing", "no config", "no json"])
    def test_damaged_folder_is_refused(
        self, damage: str, tree_net: GalaxyTreeNet, tmp_path: Path
    ) -> None:
        tree_net.save_pretrained(tmp_path)
        weights, config = tmp_path / "model.safetensors", tmp_path / "config.json"
        if damage == "pickle":
            weights.unlink()
            torch.save(tree_net.state_dict(), tmp_path / "pytorch_model.bin")
        elif damage == "truncated":
            weights.write_bytes(weights.read_bytes()[:1000])
        elif damage == "missing":
            kept = load_file(weights)
            kept.pop("heads.3.weight")
            save_file(kept, weights)
        elif damage == "no config":
            config.unlink()
        else:
            config.write_text("{")
        with pytest.raises(InputError, match=tmp_path.name):
            load_model(tmp_path)

    @pytest.mark.parametrize("where", ["absolute", "beside", "of a file"])
    def test_path_where_nothing_is_is_not_asked_of_the_hub(
        self, where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        (tmp_path / "notes.txt").touch()
        path, found = {
            "absolute": (tmp_path / "no" / "where", "nothing there"),
            "beside": (Path("run1"), "nothing there"),
            "of a file": (Path("notes.txt"), "a file"),
        }[where]
        with pytest.raises(InputError, match=rf"{path}: expected a folder .* found {found}$"):
            GalaxyTreeNet.from_pretrained(path)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda c: c.pop("cutouts"), "expected 'cutouts' in it, found none"),
            (
                lambda c: c["columns"].reverse(),
                r"expected the columns of its tree GZ2_KAGGLE, Class1\.1, .*, found .*Class11",
            ),
            (lambda c: c.update(mean=[1]), "mean: expected three numbers, found"),
            (lambda c: c.update(cutouts={"side": 3}), "as gz2tree saves it, found one that is"),
        ],
        ids=["missing", "columns", "mean", "cutouts"],
    )
    def test_damaged_config_says_what_was_expected_and_found(
        self, change: object, message: str, tree_net: GalaxyTreeNet, tmp_path: Path
    ) -> None:
        tree_net.save_pretrained(tmp_path)
        config = json.loads((tmp_path / "config.json").read_text())
        change(config)  # type: ignore[operator]
        (tmp_path / "config.json").write_text(json.dumps(config))
        with pytest.raises(InputError, match=message):
            load_model(tmp_path)

    def test_name_that_is_no_folder_is_refused(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        with pytest.raises(InputError, match="no such folder, and it could not be fetched"):
            GalaxyTreeNet.from_pretrained("nobody/nothing")


def test_forward_needs_no_more_than_torch_and_friends() -> None:
    """With everything else blocked, the network still imports and runs."""
    code = f"""
import sys
blocked = ("lightning", "torchmetrics", "matplotlib", "pyarrow", "astropy", "jsonargparse")
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ImportError(name)
sys.meta_path.insert(0, Block())
import torch, gz2tree
net = gz2tree.GalaxyTreeNet({TINY!r}, pretrained=False).eval()
print(tuple(net(torch.rand(1, 3, 32, 32)).shape))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "(1, 37)", done.stderr
