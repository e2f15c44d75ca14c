"""What decides the rows of a catalogue: an interrupted one goes on only if it is the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from gz2tree.catalogues.catalogue import CatalogueColumns
from gz2tree.config import PredictOptions
from gz2tree.images.given import GivenImages
from gz2tree.networks.network import GalaxyNet


def catalogue_identity(
    models: Sequence[GalaxyNet],
    options: PredictOptions,
    columns: CatalogueColumns,
    galaxies_per_shard: int,
    inputs: Sequence[Mapping[str, Any]],
    given: GivenImages,
) -> dict[str, Any]:
    """Describe models, options and images, in JSON values.

    Parameters
    ----------
    models : sequence of GalaxyTreeNet or FlatNet
    options : PredictOptions
    columns : CatalogueColumns
    galaxies_per_shard : int
    inputs : sequence of mapping
        Of each input of images, what it says of itself.
    given : GivenImages
        What is known of the images.
    """
    wanted = columns.wanted
    return {
        "models": [
            {
                "class": type(model).__name__,
                "backbone": model.backbone_name,
                "kind": model.kind,
                "sha256": _fingerprint(model),
            }
            for model in models
        ],
        "tree": columns.tree.name,
        "options": {
            **{name: getattr(options, name) for name in ("views", "gate", "precision")},
            **models[0].cutouts.to_dict(),
            **({"given": given.describe()} if given else {}),
            **({"keep_untrained": True} if options.keep_untrained else {}),
            "columns": wanted.columns,
            **({"level": wanted.level} if wanted.columns == "uncertainty" else {}),
            **({"atypical": True} if wanted.atypical else {}),
            "flags": {flag.column: flag.threshold for flag in columns.flags},
            "galaxies_per_shard": galaxies_per_shard,
            **({"table": columns.table.description()} if columns.table is not None else {}),
        },
        "inputs": list(inputs),
    }


def _fingerprint(model: GalaxyNet) -> str:
    """SHA-256 of all that a saved model holds."""
    sha256 = hashlib.sha256(json.dumps(model.config(), sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        sha256.update(name.encode())
        sha256.update(value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return sha256.hexdigest()
