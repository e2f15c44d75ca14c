"""What every network here shares: its backbone, how images enter it, saving and loading."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from huggingface_hub import PyTorchModelHubMixin
from huggingface_hub.constants import CONFIG_NAME
from torch import Tensor, nn

from gz2tree.config import CutoutOptions
from gz2tree.config.choices import Activation, Pooling
from gz2tree.errors import InputError
from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels
from gz2tree.networks.backbones import (
    channel_values,
    check_images,
    create_backbone,
    load_strictly,
    read_safetensors,
)
from gz2tree.networks.heads import QuestionHeads
from gz2tree.networks.pooling import QuestionPooling
from gz2tree.networks.saved import (
    FETCHING,
    config_errors_named,
    known_name,
    loading_errors_named,
    refuse_unknown,
    weights_file,
    write_config,
)
from gz2tree.networks.typicality import Typicality
from gz2tree.tree import DecisionTree
from gz2tree.version import __version__


class GalaxyNet(nn.Module, PyTorchModelHubMixin):
    """Base of `GalaxyTreeNet` and `FlatNet`; its parameters are described there.

    Attributes
    ----------
    tree : DecisionTree
    graph : DecisionGraph
    cutouts : CutoutOptions
        Crop and size of the cutouts the network was made for.
    kind : str or None
        Which kind of label it was trained on; None before training.
    training_record : dict
        How it was trained: options, data, versions, as JSON values.
    typicality : Typicality or None
        Where the features of its training galaxies lie; None where that was never fitted.
    """

    backbone: Any  # timm promises more of its networks than nn.Module does
    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: str,
        tree: DecisionTree,
        pretrained: bool | str | Path,
        activation: Activation,
        cutouts: CutoutOptions,
        kind: str | None,
        training: dict[str, Any] | None,
        mean: Sequence[float] | None,
        std: Sequence[float] | None,
    ) -> None:
        super().__init__()
        self.tree = tree
        self.graph = DecisionGraph(tree, activation)
        self.cutouts = cutouts
        self.kind = kind
        self.training_record = dict(training or {})
        self.typicality: Typicality | None = None
        self.backbone_name = backbone
        self.backbone = create_backbone(backbone, pretrained, cutouts.size)
        # As timm calls it: some backbones have a layer between the pooling and the classifier.
        self.head_hidden_size: int = getattr(
            self.backbone, "head_hidden_size", self.backbone.num_features
        )
        normalisation = self.backbone.pretrained_cfg
        for name, given in (("mean", mean), ("std", std)):
            values = channel_values(name, given if given is not None else normalisation[name])
            self.register_buffer(name, values, persistent=False)

    @property
    def untrained(self) -> list[str]:
        """Columns of answers that no training galaxy had measured: their output means nothing."""
        trained = self.training_record.get("answers", self.tree.columns)
        return [column for column in self.tree.columns if column not in trained]

    @property
    def known_galaxies(self) -> Typicality:
        """Its typicality; refused, as an InputError, where that was never fitted."""
        if self.typicality is None:
            raise InputError(
                "atypical: expected a model that knows where the features of its training galaxies "
                "lie, found one without; gz2tree typical fits that and stores it in the model"
            )
        return self.typicality

    @property
    def view_angle(self) -> float:
        """Angle, in radian, by which `predict` turns every image before the network looks at it.

        pi / 8 after training on turned images, else 0. Turned images are interpolated, and one
        that is not is sharper than what the network learnt from (benchmarks/RESULTS.md: RMSE 0.0903
        on images as they are, 0.0891 on the same, turned).
        """
        augment = self.training_record.get("train", {}).get("augment", {})
        return math.pi / 8 if augment.get("rotate") else 0.0

    def forward_features(self, images: Tensor) -> Tensor:
        """Last feature map of the backbone.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        features : Tensor, as the backbone gives it; (N, num_features, h, w) for a ResNet

        Raises
        ------
        InputError
            Images of another shape or of an integer dtype.
        """
        check_images(images)
        return self.backbone.forward_features((images - self.mean) / self.std)

    def features(self, images: Tensor) -> Tensor:
        """Pooled features of the backbone.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        features : Tensor, shape (N, head_hidden_size)
        """
        return self.pooled(self.forward_features(images))

    def pooled(self, feature_map: Tensor) -> Tensor:
        """Pool what `forward_features` gives; (N, head_hidden_size)."""
        return self.backbone.forward_head(feature_map)

    def _add_heads(self, pooling: Pooling) -> None:
        """Add a linear head for each question, and the attention if it is to pool for them."""
        width = self.head_hidden_size
        self.attention = None
        if pooling == "attention":
            width = self.backbone.num_features
            self.attention = QuestionPooling(width, len(self.tree.questions))
        self.heads = QuestionHeads(self.tree, width)

    def _features_by_question(self, feature_map: Tensor) -> list[Tensor]:
        """Feature map -> for each question (N, its heads' in_features)."""
        if self.attention is None:
            return [self.pooled(feature_map)] * len(self.heads)  # of (N, head_hidden_size)
        return list(self.attention(feature_map).unbind(1))  # of (N, num_features)

    def logits(self, images: Tensor) -> Tensor:
        """Logits of all answers.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        logits : Tensor, shape (N, n_answers)
        """
        return self.outputs(images)[0]

    def outputs(self, images: Tensor) -> tuple[Tensor, Tensor | None]:
        """Logits of all answers, and the strength of each question.

        Parameters
        ----------
        images : Tensor, shape (N, 3, H, W), RGB in [0, 1]

        Returns
        -------
        logits : Tensor, shape (N, n_answers)
        strength : Tensor, shape (N, n_questions), or None
            As trained, before any calibration; None of a network that gives none.
        """
        return self.outputs_of(self.forward_features(images))

    def outputs_of(self, feature_map: Tensor) -> tuple[Tensor, Tensor | None]:
        """Give what `outputs` gives, of the feature map of images."""
        raise NotImplementedError

    def calibrated_strength(self, logits: Tensor, strength: Tensor | None) -> Tensor | None:
        """Strengths of `outputs` after calibration, as the subclass understands it."""
        return strength

    def cumulative(self, logits: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Turn logits into cumulative probabilities, as the subclass understands them."""
        raise NotImplementedError

    def start_at_mean(self, labels: Labels) -> None:
        """Set the biases of the heads so that training begins near the mean of the labels."""
        raise NotImplementedError

    def gate(self, probabilities: Tensor, threshold: float) -> Tensor:
        """Set improbable answers to exactly 0, as the subclass understands it."""
        raise NotImplementedError

    def config(self) -> dict[str, Any]:
        """Return all that is needed to build the network again, as JSON values."""
        return {
            "model": type(self).__name__,
            "gz2tree_version": __version__,
            "backbone": self.backbone_name,
            "pretrained": False,
            "tree": self.tree.to_dict(),
            "columns": list(self.tree.columns),
            "activation": self.graph.activation,
            "cutouts": self.cutouts.to_dict(),
            "mean": self.mean.flatten().tolist(),
            "std": self.std.flatten().tolist(),
            "kind": self.kind,
            "training": self.training_record,
            "typicality": self.typicality.to_dict() if self.typicality else None,
        }

    def save_pretrained(self, save_directory: str | Path, **kwargs: Any) -> str | None:
        """Write ``model.safetensors`` and ``config.json`` into a folder.

        Parameters
        ----------
        save_directory : str or Path
        **kwargs
            As in huggingface_hub's ``ModelHubMixin.save_pretrained``.
        """
        kwargs["config"] = kwargs.get("config") or self.config()
        return super().save_pretrained(save_directory, **kwargs)

    def save_config(self, folder: Path) -> None:
        """Write the config of a saved network anew; a kill leaves the old one or the new."""
        write_config(self.config(), folder)

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs: Any) -> Self:
        """Load a saved network from a folder or from the Hugging Face hub.

        Parameters
        ----------
        pretrained_model_name_or_path : str or Path
            ``"default"``: the model in the box, see docs/default_model.md. Else a folder written
            by `save_pretrained`, or the name of a model on the hub.
        **kwargs
            As in huggingface_hub's ``ModelHubMixin.from_pretrained``.

        Raises
        ------
        InputError
            No such model, a network of another class, or weights that do not fit.
        """
        name = known_name(pretrained_model_name_or_path)
        with loading_errors_named(name):
            return super().from_pretrained(name, **kwargs)

    @classmethod
    def _from_pretrained(  # type: ignore[override]
        cls, *, model_id: str, config: dict[str, Any], map_location: str = "cpu", **arguments: Any
    ) -> Self:
        """Build from the config and load the weights; strict, and from safetensors only."""
        if config.get("model") != cls.__name__:
            raise InputError(
                f"{model_id}: expected a {cls.__name__}, found {config.get('model', 'no model')}"
            )
        fetching = {name: arguments.pop(name) for name in FETCHING}
        with config_errors_named(model_id):
            tree = DecisionTree.from_dict(config["tree"])
            cutouts = CutoutOptions.from_dict(config["cutouts"])
            arguments |= {"tree": tree, "cutouts": cutouts, "pretrained": False}
            network = cls(**arguments)
            if list(tree.columns) != config["columns"]:
                raise InputError(f"{model_id}/{CONFIG_NAME}: its columns are not those of its tree")
            if config.get("typicality") is not None:
                fitted = Typicality.from_dict(config["typicality"], network.head_hidden_size)
                network.typicality = fitted
            # Later, nobody could tell that what is read then came from here.
            json.dumps([network.config(), network.untrained, network.view_angle])
            refuse_unknown(config, network.config(), model_id)
        file = weights_file(model_id, **fetching)
        load_strictly(network, read_safetensors(file)[0], file)
        return network.eval().to(map_location)
