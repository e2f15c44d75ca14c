"""How the logits of a question become probabilities that sum to 1, and back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gz2tree.config.choices import Activation, check_choice
from gz2tree.errors import InputError

FLOOR = 1e-4
"""Probabilities nearer to 0 (and 1) have logits from which no training would come back."""


def check_activation(activation: str) -> None:
    """Refuse an activation that is not known, or whose package is not installed.

    Raises
    ------
    InputError
        One of these.
    """
    check_choice("activation", activation, Activation)
    if activation in ("entmax15", "sparsemax"):
        _import_entmax()


def activate(slots: Tensor, empty: Tensor, activation: Activation) -> Tensor:
    """Logits to conditional probabilities.

    Parameters
    ----------
    slots : Tensor, shape (n_questions, width, N)
        Logits; a question of fewer answers than `width` has empty slots.
    empty : Tensor of bool, shape (n_questions, width, 1)
    activation : str
        ``"softmax"``
            The usual one.
        ``"normalised_sigmoid"``
            Sigmoids divided by the question's sum, computed as the softmax of logsigmoid, which is
            the same and survives any logit.
        ``"divisive_relu"``
            Rectified logits divided by the question's sum (Dieleman, Willett & Dambre 2015, MNRAS
            450, 1441, section 6.4). A question without a positive logit gets equal probabilities,
            and no gradient.
        ``"entmax15"``, ``"sparsemax"``
            Softmax-like, with exact zeros (Peters, Niculae & Martins 2019, ACL; Martins & Astudillo
            2016, ICML). They need the extra ``gz2tree[entmax]``.

    Returns
    -------
    conditional : Tensor, shape (n_questions, width, N), in [0, 1]
        0 in empty slots.
    """
    if activation == "softmax":
        return slots.masked_fill(empty, -torch.inf).softmax(1)
    if activation == "normalised_sigmoid":
        # ONNX has no logsigmoid: the log of its sigmoid is -inf at low logits, softplus exact.
        log_sigmoid = F.softplus(slots, beta=-1.0, threshold=40.0)
        return log_sigmoid.masked_fill(empty, -torch.inf).softmax(1)
    if activation == "divisive_relu":
        return _divisive_relu(slots.masked_fill(empty, 0.0), ~empty)
    # The highest of all slots is that of the answers: empty slots repeat the first of them, see
    # `gz2tree.jumps.slots_of`. They must lie below the threshold; -inf would make NaN.
    below_highest = slots - slots.amax(1, keepdim=True).detach()  # (n_questions, width, N)
    entmax = _import_entmax()
    mapping = entmax.entmax15 if activation == "entmax15" else entmax.sparsemax
    probability = mapping(below_highest.masked_fill(empty, -10.0), dim=1)
    return probability / probability.sum(1, keepdim=True)


def inverse(conditional: Tensor, activation: Activation) -> Tensor:
    """Logits of conditional probabilities: what `activate` maps back to them.

    Probabilities of 0 become very low ones under activations that cannot give 0.

    Parameters
    ----------
    conditional : Tensor, in [0, 1]
    activation : str

    Returns
    -------
    logits : Tensor, of the same shape

    Notes
    -----
    log p of the softmax, log(p / (1 - p)) of normalised sigmoids, p of the divisive ReLU and of
    sparsemax, and 2 sqrt(p) of entmax-1.5, whose map is p = max(z / 2 - tau, 0) ** 2 (Peters,
    Niculae & Martins 2019, ACL, equation 9).
    """
    if activation == "softmax":
        return conditional.clamp(min=FLOOR).log()
    if activation == "normalised_sigmoid":
        return conditional.clamp(FLOOR, 1 - FLOOR).logit()
    if activation == "entmax15":
        return 2 * conditional.sqrt()
    return conditional


def _divisive_relu(slots: Tensor, valid: Tensor) -> Tensor:
    """Logits (n_questions, width, N), 0 in empty slots, by `valid` (n_questions, width, 1)."""
    positive = slots.relu()
    total = positive.sum(1, keepdim=True)  # (n_questions, 1, N)
    # A denormal sum counts as none: its reciprocal, and so the gradient, would overflow.
    alive = total > torch.finfo(total.dtype).tiny
    equal = valid.to(slots.dtype) / valid.sum(1, keepdim=True)  # (n_questions, width, 1)
    return torch.where(alive, positive / torch.where(alive, total, 1.0), equal)


def _import_entmax():  # type: ignore[no-untyped-def]
    try:
        import entmax
    except ModuleNotFoundError as error:
        raise InputError(
            "activations entmax15 and sparsemax need the entmax package, which is not installed: "
            "pip install 'gz2tree[entmax]'"
        ) from error
    return entmax
