"""The card of a saved network: what it is, in words, for whoever finds the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gz2tree.errors import first_few
from gz2tree.version import __version__

if TYPE_CHECKING:
    from gz2tree.networks.network import GalaxyNet

_CARD = """---
library_name: gz2tree
tags:
- galaxy-zoo
- image-classification
---

# {tree}: a network of gz2tree

From an image of a galaxy, how volunteers would answer the {questions} questions ({answers} answers)
of the decision tree {tree}.

- Network: {kind}, backbone {backbone}
- Cutouts: the middle {crop} pixels of the image, scaled to {size}
- Trained: {trained}
- Answers without labels, whose output means nothing: {untrained}
- Written by gz2tree {version}

```python
from gz2tree import load_model

model = load_model("FOLDER")  # this one
```

On the command line: `gz2tree predict --model FOLDER --images IMAGES --out catalogue.csv`.
"""


def model_card(model: GalaxyNet) -> str:
    """Write the card of a network, as Markdown with the metadata that the hub reads."""
    record = model.training_record
    trained = "not yet"
    if "n_train" in record:
        trained = f"on {record['n_train']} galaxies, with labels of kind {model.kind}"
    if "valid_rmse" in record:
        trained += f"; validation RMSE {record['valid_rmse']:.4f} on {record['n_valid']} others"
    return _CARD.format(
        tree=model.tree.name,
        questions=len(model.tree.questions),
        answers=len(model.tree.columns),
        kind=type(model).__name__,
        backbone=model.backbone_name,
        crop=model.cutouts.crop,
        size=model.cutouts.size,
        trained=trained,
        untrained=first_few(model.untrained) if model.untrained else "none",
        version=__version__,
    )
