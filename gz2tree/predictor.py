"""One network ready to predict: cutouts in, cumulative answers and strengths out."""

from __future__ import annotations

import torch
from torch import Tensor

from gz2tree.augment import orientations
from gz2tree.config import PredictOptions
from gz2tree.errors import InputError
from gz2tree.network import GalaxyNet
from gz2tree.precision import autocast, choose_precision, for_inference, memory_format

Output = tuple[Tensor, Tensor | None]
"""Cumulative answers (N, n_answers) and strengths (N, n_questions), on the CPU."""


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


class Predictor:
    """A network ready to predict: on its device, in its precision, over its views.

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

    @torch.inference_mode()
    def __call__(self, cutouts: Tensor) -> Output:
        """uint8 (N, H, W, 3) -> cumulative (N, n_answers), strength (N, n_questions) or None."""
        images = cutouts.to(self.device).permute(0, 3, 1, 2).float() / 255  # (N, 3, H, W)
        total, strengths = torch.zeros((), device=self.device), []
        with autocast(self.device, self.precision):
            for view in orientations(images, self.options.views, self.model.view_angle):
                logits, strength = self.model.outputs(view.contiguous(memory_format=self.layout))
                total = total + self.model.cumulative(logits)
                strength = self.model.calibrated_strength(logits, strength)
                if strength is not None:
                    strengths.append(strength.log())
        # The tree's sums are linear, so the mean of consistent views is consistent.
        mean = total / self.options.views
        if self.options.gate > 0:
            mean = self.model.gate(mean, self.options.gate)
        typical = torch.stack(strengths).mean(0).exp().cpu() if strengths else None
        return mean.cpu(), typical
