"""One network ready to look at galaxies: cutouts in, answers and strengths or features out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from gz2tree.augment import orientations
from gz2tree.config import PredictOptions
from gz2tree.errors import InputError
from gz2tree.networks.network import GalaxyNet
from gz2tree.networks.precision import autocast, choose_precision, for_inference, memory_format

# Cumulative answers (N, n_answers) and strengths (N, n_questions), on the CPU.
Output = tuple[Tensor, Tensor | None]
# How atypical the galaxies are beside it, (N,); see `gz2tree.networks.typicality`.
Judged = tuple[Output, Tensor | None]


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


class _Ready:
    """A network on its device, in its precision, and galaxies as it is to see them.

    Parameters
    ----------
    model : GalaxyNet
    device : torch.device
    options : PredictOptions
    """

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
    """A network ready to predict, the mean over its views; parameters as of `Embedder`."""

    def __call__(self, cutouts: Tensor) -> Output:
        """uint8 (N, H, W, 3) -> cumulative (N, n_answers), strength (N, n_questions) or None."""
        return self.judge(cutouts, atypical=False)[0]

    @torch.inference_mode()
    def judge(self, cutouts: Tensor, *, atypical: bool) -> Judged:
        """Predict, and say how atypical galaxies are; the latter is None if it is not wanted."""
        total, strengths = torch.zeros((), device=self.device), []
        features = None
        with self.autocast():
            for view in self.views(cutouts):
                feature_map = self.model.forward_features(view)
                # Typicality is fitted on one view, too: the mean of several would scatter less.
                if atypical and features is None:
                    features = self.model.pooled(feature_map)
                logits, strength = self.model.outputs_of(feature_map)
                total = total + self.model.cumulative(logits)
                strength = self.model.calibrated_strength(logits, strength)
                if strength is not None:
                    strengths.append(strength.log())
        # The tree's sums are linear, so the mean of consistent views is consistent.
        mean = total / self.options.views
        if self.options.gate > 0:
            mean = self.model.gate(mean, self.options.gate)
        typical = torch.stack(strengths).mean(0).exp().cpu() if strengths else None
        score = None if features is None else self.model.known_galaxies.score(features).cpu()
        return (mean.cpu(), typical), score


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
