"""Options: plain dataclasses, torch-free, so that ``--help`` is instant."""

from gz2tree.config.choices import OptionError as OptionError
from gz2tree.config.cutouts import CutoutOptions as CutoutOptions
from gz2tree.config.figures import ByOptions as ByOptions
from gz2tree.config.figures import FigureOptions as FigureOptions
from gz2tree.config.images import ImageOptions as ImageOptions
from gz2tree.config.labels import LabelOptions as LabelOptions
from gz2tree.config.labels import SplitOptions as SplitOptions
from gz2tree.config.prediction import CatalogueOptions as CatalogueOptions
from gz2tree.config.prediction import PredictOptions as PredictOptions
from gz2tree.config.prediction import ShardOptions as ShardOptions
from gz2tree.config.prediction import TableOptions as TableOptions
from gz2tree.config.processes import ProcessOptions as ProcessOptions
from gz2tree.config.sky import SkyOptions as SkyOptions
from gz2tree.config.training import FINETUNE as FINETUNE
from gz2tree.config.training import PRESETS as PRESETS
from gz2tree.config.training import AugmentOptions as AugmentOptions
from gz2tree.config.training import NetworkOptions as NetworkOptions
from gz2tree.config.training import TrainConfig as TrainConfig
from gz2tree.config.training import preset as preset
