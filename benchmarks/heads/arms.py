"""The arms of the comparison: what a head is, how it is trained, and how it is read out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor, nn

from gz2tree.activations import FLOOR
from gz2tree.config.choices import Activation, LossName
from gz2tree.graph import DecisionGraph
from gz2tree.labels import Labels
from gz2tree.losses import LOSSES
from gz2tree.tree import DecisionTree
from gz2tree.votes.likelihoods import dirichlet_multinomial_log_likelihood

Output = Literal["flat", "flat-renormalised", "tree", "dirichlet"]
# Median number of volunteers of a Galaxy Zoo 2 galaxy (Willett et al. 2013, section 2.2): labels
# that are shares of an unknown number of votes stand for this many.
VOLUNTEERS = 44.0


@dataclass(frozen=True)
class Arm:
    """A head with its loss.

    Parameters
    ----------
    output : str
        What its outputs are: sigmoids, sigmoids divided by their question's sum, branch
        probabilities of a tree, or Dirichlet concentrations of every question on its own.
    activation : str
        Of a tree.
    loss : str
    start_at_mean : bool
    votes_reach : bool
        Train on conditional answers, weighted by the reach that the votes give (see
        ``Labels.only_conditional``), instead of on cumulative ones.
    flattened : bool
        Read the flattened feature map, as the student paper does, instead of the pooled one.
    own_sigmoids : bool
        Train each answer's own sigmoid on its cumulative label as well, as a flat head does, beside
        the product down the tree.
    balanced : bool
        Every question counts the same, however many answers it has; for heads on features only.
    hidden : int
        Units of a hidden layer before the heads, 0 for none; for heads on features only.
    vote_noise : bool
        Draw the votes anew in every step; for heads on features only.
    weight_average : bool
        Read out the exponential moving average of the weights; for heads on features only.
    attention : bool
        Pool the feature map for each question by attention; for whole networks only.
    separate : bool
        Train a network for each question on its conditional answers, as the student paper proposes
        in its section 4.4; for whole networks only.
    """

    output: Output
    loss: LossName | Literal["dirichlet_multinomial"] = "binary_cross_entropy"
    activation: Activation = "softmax"
    start_at_mean: bool = True
    votes_reach: bool = False
    flattened: bool = False
    own_sigmoids: bool = False
    balanced: bool = False
    hidden: int = 0
    vote_noise: bool = False
    weight_average: bool = False
    attention: bool = False
    separate: bool = False

    @property
    def on_tree(self) -> bool:
        """Whether its answers obey the tree."""
        return self.output in ("tree", "dirichlet")

    @property
    def read_out_otherwise(self) -> bool:
        """Whether a gate, a threshold or temperatures are tried on it once it is trained."""
        usual = self.output == "flat" or self.activation in ("softmax", "normalised_sigmoid")
        return (
            self.loss == "binary_cross_entropy"
            and self.output in ("flat", "tree")
            and usual
            and not self.separate
        )


FOR_HEADS_ONLY = ("flattened", "balanced", "hidden", "vote_noise", "weight_average")
FOR_WHOLE_NETWORKS_ONLY = ("attention", "separate")


def _trees() -> dict[str, Arm]:
    short: dict[Activation, str] = {
        "softmax": "softmax",
        "normalised_sigmoid": "normalised sigmoids",
        "entmax15": "entmax-1.5",
        "sparsemax": "sparsemax",
        "divisive_relu": "divisive ReLU",
    }
    arms = {}
    for activation, name in short.items():
        arms[f"tree {name}, squared error"] = Arm("tree", "squared_error", activation)
        arms[f"tree {name}, BCE"] = Arm("tree", "binary_cross_entropy", activation)
        arms[f"tree {name}, conditional CE"] = Arm(
            "tree", "cross_entropy", activation, votes_reach=True
        )
    return arms


def _variants(name: str, arm: Arm) -> dict[str, Arm]:
    """Return an arm, and with it what else might help."""
    return {
        name: arm,
        f"{name}, balanced questions": replace(arm, balanced=True),
        f"{name}, hidden layer": replace(arm, hidden=512),
        f"{name}, votes drawn anew": replace(arm, vote_noise=True),
        f"{name}, averaged weights": replace(arm, weight_average=True),
    }


ARMS: dict[str, Arm] = {
    "flat sigmoid, squared error": Arm("flat", "squared_error"),
    **_variants("flat sigmoid, BCE", Arm("flat")),
    "flat sigmoid, BCE, start at 1/2": Arm("flat", start_at_mean=False),
    "flat renormalised, squared error": Arm("flat-renormalised", "squared_error"),
    "paper: flattened, questions sum to 1": Arm(
        "flat-renormalised", "root_squared_error", start_at_mean=False, flattened=True
    ),
    "paper: flattened, questions sum to their parent": Arm(
        "tree", "root_squared_error", "normalised_sigmoid", start_at_mean=False, flattened=True
    ),
    **_trees(),
    "tree softmax, BCE, start uniform": Arm("tree", start_at_mean=False),
    "tree normalised sigmoids, BCE, start uniform": Arm(
        "tree", activation="normalised_sigmoid", start_at_mean=False
    ),
    "tree softmax, BCE, votes' reach": Arm("tree", votes_reach=True),
    "tree normalised sigmoids, BCE, votes' reach": Arm(
        "tree", activation="normalised_sigmoid", votes_reach=True
    ),
    **_variants(
        "tree normalised sigmoids, BCE, own sigmoids too",
        Arm("tree", activation="normalised_sigmoid", own_sigmoids=True),
    ),
    "tree normalised sigmoids, BCE, own sigmoids too, attention": Arm(
        "tree", activation="normalised_sigmoid", own_sigmoids=True, attention=True
    ),
    "flat sigmoid, BCE, attention": Arm("flat", attention=True),
    "tree softmax, BCE, attention": Arm("tree", attention=True),
    "tree softmax, conditional CE, attention": Arm(
        "tree", "cross_entropy", votes_reach=True, attention=True
    ),
    "tree normalised sigmoids, BCE, attention": Arm(
        "tree", activation="normalised_sigmoid", attention=True
    ),
    "tree softmax, a network for each question": Arm("tree", separate=True),
    "Dirichlet-multinomial, read through the tree": Arm(
        "dirichlet", "dirichlet_multinomial", start_at_mean=False
    ),
}
"""All arms that are trained; predicting the mean and what a read-out can do come on top."""


class LinearHead(nn.Module):
    """An arm's head on features that do not change.

    Parameters
    ----------
    arm : Arm
    tree : DecisionTree
    n_features : int
    """

    def __init__(self, arm: Arm, tree: DecisionTree, n_features: int) -> None:
        super().__init__()
        self.arm = arm
        self.hidden = nn.Identity()
        if arm.hidden:
            self.hidden = nn.Sequential(nn.Linear(n_features, arm.hidden), nn.ReLU())
        self.linear = nn.Linear(arm.hidden or n_features, len(tree))
        activation = "normalised_sigmoid" if arm.output == "flat-renormalised" else arm.activation
        self.graph = DecisionGraph(tree, activation)

    def forward(self, features: Tensor, given_reach: Tensor | None = None) -> Tensor:
        """Cumulative probabilities, (N, n_answers)."""
        logits = self.linear(self.hidden(features))
        if self.arm.output == "flat":
            return logits.sigmoid()
        if self.arm.output == "flat-renormalised":
            return self.graph.conditional(logits)
        if self.arm.output == "dirichlet":
            concentration = self.concentration(features)
            total = self.per_question(concentration)
            return self.graph.cumulative(concentration / total)
        return self.graph.cumulative(self.graph.conditional(logits), given_reach)

    def concentration(self, features: Tensor) -> Tensor:
        """Dirichlet concentrations between 1 and 100, as Zoobot has them; (N, n_answers)."""
        return 1 + 99 * self.linear(self.hidden(features)).sigmoid()

    def per_question(self, values: Tensor) -> Tensor:
        """Sum over each question, given back to each of its answers; (N, n_answers)."""
        return self.graph.sum_by_question(values).index_select(-1, self.graph.question_of)

    def loss(self, features: Tensor, target: Tensor, given_reach: Tensor) -> Tensor:
        """Loss of a batch."""
        if self.arm.loss == "dirichlet_multinomial":
            concentration = self.concentration(features)
            total = self.per_question(concentration)  # (N, n_answers)
            strength = total[:, [answers.start for answers in self.graph.tree.slices]]
            likelihood = dirichlet_multinomial_log_likelihood(
                self.graph, concentration / total, strength, VOLUNTEERS * target
            )
            return -likelihood.sum(-1).mean()
        if self.arm.vote_noise:
            votes = torch.binomial(torch.full_like(target, VOLUNTEERS), target.nan_to_num(0.0))
            target = torch.where(target.isnan(), target, votes / VOLUNTEERS)
        loss = self._loss(self(features, given_reach), target)
        if self.arm.own_sigmoids:
            loss = loss + self._loss(self.linear(self.hidden(features)).sigmoid(), target)
        return loss

    def _loss(self, cumulative: Tensor, target: Tensor) -> Tensor:
        loss = LOSSES[self.arm.loss]
        if not self.arm.balanced:
            return loss(cumulative, target)
        by_question = [
            loss(cumulative[:, answers], target[:, answers]) for answers in self.graph.tree.slices
        ]
        return torch.stack(by_question).mean()

    def start_at_mean(self, labels: Labels) -> None:
        """Set the biases so that zero features give the mean answers."""
        with torch.no_grad():
            if self.arm.output == "flat":
                mean = torch.from_numpy(labels.mean_cumulative()).clamp(FLOOR, 1 - FLOOR)
                self.linear.bias.copy_(mean.logit())
            elif self.arm.output in ("tree", "flat-renormalised"):
                biases = self.graph.logits_of(torch.from_numpy(labels.mean_conditional()))
                self.linear.bias.copy_(biases)


def project(cumulative: Tensor, graph: DecisionGraph) -> Tensor:
    """Put a flat prediction onto the tree: each question divided by its sum, times its reach."""
    sums = graph.sum_by_question(cumulative).index_select(-1, graph.question_of)
    share = cumulative / sums.clamp(min=1e-12)  # (N, n_answers)
    return graph.cumulative(share)
