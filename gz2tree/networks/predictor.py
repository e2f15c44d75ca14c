"""One network ready to look at galaxies: cutouts in, answers and strengths or features out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gz2tree.augment import orientations
from gz2tree.config import PredictOptions
from gz2tree.errors import InputError
from gz2tree.flat import FlatNet
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.precision import autocast, choose_precision, for_inference, memory_format
from gz2tree.networks.untrained import without_untrained

Models = GalaxyNet | Sequence[GalaxyNet]
"""One network, or several that predict together."""


class Prediction(NamedTuple):
    """What one network says of N galaxies; tensors of float32 on the CPU.

    Parameters
    ----------
    cumulative : Tensor, shape (N, n_answers), in [0, 1]
        Mean over the views, before any gate.
    strength : Tensor, shape (N, n_questions), above 0, optional
        Of each question, after calibration; None of a network that gives none.
    atypical : Tensor, shape (N,), at least 0, optional
        How unlike the training galaxies each is, see `gz2tree.networks.typicality`; None where it
        was not asked for.
    """

    cumulative: Tensor
    strength: Tensor | None = None
    atypical: Tensor | None = None


def find_device(name: str | None) -> torch.device:
    """Find a device of this machine by name; a GPU if there is one, by default.

    Raises
    ------
    InputError
        No such device.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"device: expected one of this machine, found {name!r}: {reason}"
        ) from error
    return device


def together(model: Models) -> list[GalaxyNet]:
    """Return the networks that predict together, one or several.

    Raises
    ------
    InputError
        None, or networks of different trees or cutouts.
    """
    models = [model] if isinstance(model, GalaxyNet) else list(model)
    if not models:
        raise InputError("expected a model to predict with, found none")
    first = models[0]
    for other in models[1:]:
        if other.tree != first.tree:
            raise InputError(
                f"models: expected one tree, found {first.tree.difference(other.tree)}"
            )
        if not other.cutouts.matches(first.cutouts):
            raise InputError(
                f"models: expected one crop and size of cutouts, found {first.cutouts} and "
                f"{other.cutouts}"
            )
    return models


def mean_answers(
    models: Sequence[GalaxyNet], predictions: Sequence[Prediction], options: PredictOptions
) -> Tensor:
    """Mean of what networks predict together, gated once, without what they do not know.

    The gate comes last: of several networks that were gated each, the mean would be below the gate
    wherever not all of them call an answer improbable.

    Parameters
    ----------
    models : sequence of GalaxyNet
    predictions : sequence of Prediction, one for each of them
        Of the same N galaxies.
    options : PredictOptions
        Answers below its gate become exactly 0. The sums of the tree hold afterwards, see
        `gz2tree.graph.DecisionGraph.gate`; not if one of the networks is flat, whose answers are
        not held to them: then each answer is gated on its own. Unless it keeps untrained answers,
        these become NaN, see `gz2tree.networks.untrained.without_untrained`.

    Returns
    -------
    cumulative : Tensor, float32, shape (N, n_answers), in [0, 1], on the CPU
    """
    # The tree's sums are linear, so the mean of consistent answers is consistent.
    mean = torch.stack([each.cumulative for each in predictions]).mean(0)  # (N, n_answers)
    if options.gate > 0:
        gating = next((model for model in models if isinstance(model, FlatNet)), models[0])
        mean = gating.gate(mean.to(gating.mean.device), options.gate).cpu()
    return mean if options.keep_untrained else without_untrained(models, mean)


class _Ready:
    """A network on its device, in its precision, and galaxies as it is to see them."""

    def __init__(self, model: GalaxyNet, device: torch.device, options: PredictOptions) -> None:
        self.device, self.options = device, options
        self.layout = memory_format(model, device)
        self.precision = choose_precision(model, device, options.precision)
        model = model.eval().to(device)
        if self.precision != "32":
            shape = (1, 3, model.cutouts.size, model.cutouts.size)
            noise = torch.rand(shape, generator=torch.Generator().manual_seed(0)).to(device)
            model = for_inference(model, noise, self.precision)
        self.model = model.to(memory_format=self.layout)

    def autocast(self) -> Any:
        """Return the context in which to call the network."""
        return autocast(self.device, self.precision)

    def views(self, cutouts: Tensor) -> Iterator[Tensor]:
        """uint8 (N, H, W, 3) -> every view, float32 (N, 3, H, W) in [0, 1]."""
        images = cutouts.to(self.device).permute(0, 3, 1, 2).float() / 255  # (N, 3, H, W)
        for view in orientations(images, self.options.views, self.model.view_angle):
            yield view.contiguous(memory_format=self.layout)


class Predictor(_Ready):
    """A network ready to predict, the mean over its views.

    Parameters
    ----------
    model : GalaxyNet
    device : torch.device
    options : PredictOptions
        Its gate is left to `mean_answers`.
    atypical : bool
        Whether to say as well how atypical galaxies are.

    Raises
    ------
    InputError
        `atypical` of a network that holds nothing of its training galaxies.
    """

    def __init__(
        self,
        model: GalaxyNet,
        device: torch.device,
        options: PredictOptions,
        *,
        atypical: bool = False,
    ) -> None:
        self.typicality = model.known_galaxies if atypical else None
        super().__init__(model, device, options)

    @torch.inference_mode()
    def __call__(self, cutouts: Tensor) -> Prediction:
        """Predict N galaxies from their cutouts, uint8 of shape (N, H, W, 3)."""
        total, strengths = torch.zeros((), device=self.device), []
        atypical = None
        with self.autocast():
            for view in self.views(cutouts):
                feature_map = self.model.forward_features(view)
                # Typicality is fitted on one view, too: the mean of several would scatter less.
                if self.typicality is not None and atypical is None:
                    atypical = self.typicality.score(self.model.pooled(feature_map)).cpu()  # (N,)
                logits, strength = self.model.outputs_of(feature_map)
                total = total + self.model.cumulative(logits)  # (N, n_answers)
                strength = self.model.calibrated_strength(logits, strength)
                if strength is not None:
                    strengths.append(strength.log())  # (N, n_questions)
        mean = (total / self.options.views).cpu()
        # Strengths are scales: their mean is the geometric one.
        strength = torch.stack(strengths).mean(0).exp().cpu() if strengths else None
        return Prediction(mean, strength, atypical)


class Embedder(_Ready):
    """A network ready to give the pooled features of galaxies, the mean over its views.

    Parameters
    ----------
    model : GalaxyNet
    device : torch.device
    options : PredictOptions
    """

    @torch.inference_mode()
    def __call__(self, cutouts: Tensor) -> Tensor:
        """uint8 (N, H, W, 3) -> features, float32 (N, head_hidden_size), on the CPU."""
        total = torch.zeros((), device=self.device)
        with self.autocast():
            for view in self.views(cutouts):
                total = total + self.model.features(view).float()
        return (total / self.options.views).cpu()
