"""How a table of labels is read, and its galaxies are split."""

from __future__ import annotations

from dataclasses import dataclass

from gz2tree.config.choices import Kind, check

DEFAULT_KIND: Kind = "debiased"
"""Which columns of a catalogue are used where nobody says."""


@dataclass(frozen=True)
class LabelOptions:
    """How a table of labels is read.

    Parameters
    ----------
    kind : {"count", "weight", "fraction", "weighted_fraction", "debiased"}, optional
        Which columns of a catalogue to use; debiased by default. Columns without the ending of a
        kind are cumulative probabilities, unless a kind is given and the table has none of it.
    id_column : str, optional
        By default GalaxyID, else that of asset_id, dr7objid, objid, id_str, iauname,
        zooniverse_id, id and the files of file_loc that matches most of the image names.
    allow_bad_rows : bool
        Drop and count rows whose values are no probabilities or break the tree's sums.
    """

    kind: Kind | None = None
    id_column: str | None = None
    allow_bad_rows: bool = False


@dataclass(frozen=True)
class SplitOptions:
    """How galaxies are split; byte-identical images stay together.

    Parameters
    ----------
    valid_fraction : float, in [0, 1)
        Share of the galaxies by which the best epoch is chosen.
    test_fraction : float, in [0, 1)
        Share that training never sees; `gz2tree evaluate --part test` measures on it.
    split_seed : int, optional
        Of the split; that of the training by default. Networks that shall predict together are
        trained with several seeds and one split.

    Raises
    ------
    OptionError
        A share outside [0, 1), nothing left for training, or a negative seed.
    """

    valid_fraction: float = 0.1
    test_fraction: float = 0.0
    split_seed: int | None = None

    def __post_init__(self) -> None:
        seed = self.split_seed
        check("split_seed", seed, seed is None or seed >= 0, "at least 0, or none")
        for name in ("valid_fraction", "test_fraction"):
            check(name, getattr(self, name), 0 <= getattr(self, name) < 1, "a share in [0, 1)")
        both = self.valid_fraction + self.test_fraction
        check("valid_fraction + test_fraction", both, both < 1, "less than 1, to train on the rest")
