"""What a training run is asked to do. Beside `config`, which holds what the other verbs are asked."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from polarity_cli.config import All, DataConfig, check_choice
from polarity_cli.errors import require
from polarity_cli.recipes import RECIPES

FeatureCache = Literal["auto", "off"] | int
"""How large kept features may grow: `auto`, `off`, or bytes."""
_DEFAULT = RECIPES["default"]
_MOST_FOLDS = 100


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run."""

    data: DataConfig
    recipe: str = "default"
    unfreeze: int | All = _DEFAULT.unfreeze
    """Blocks that train, counted from the last; 0 trains the classifier alone, `all` the embeddings too."""
    epochs: int = _DEFAULT.epochs
    batch_size: int = _DEFAULT.batch_size
    """Reviews in a batch on average: a batch holds as many tokens as this many reviews of mean length."""
    learning_rate: float = _DEFAULT.learning_rate
    """Highest learning rate, reached after warm-up; it falls to 0 in a straight line."""
    weight_decay: float = _DEFAULT.weight_decay
    warmup: float = _DEFAULT.warmup
    """Share of the steps in which the learning rate rises."""
    patience: int | None = None
    """Epochs without a better validation score after which training stops; None never stops early."""
    feature_cache: FeatureCache = "auto"
    fresh: bool = False
    """Whether to start over where an interrupted run could go on."""
    graphs: bool = True
    """Whether the run ends by writing the graphs that `predict` runs."""
    export: bool = False
    """Whether it also writes the graphs that other programs run; see `export/portable`."""
    out: Path = Path("ckpt")
    track: str | None = None
    class_weights: str | None = None
    """`balanced` lets both classes count alike in the loss; None counts each review."""
    folds: int | None = None
    """Parts of the rows, each scored by a top that did not see it; None trains one top."""
    target_precision: float | None = None
    """Which share of the answers of one class shall be right; the threshold that reaches it is kept."""
    of: str = "positive"
    """The class of `target_precision`."""
    require: float | str | None = None
    """The F1 that a checkpoint must have, or `baseline`, to be published."""
    report: Path | None = None
    """Where the page is written that shows what the run came to."""

    def __post_init__(self) -> None:
        _check_trust(self)
        check_choice("--recipe", self.recipe, tuple(sorted(RECIPES)))
        require(self.unfreeze == "all" or self.unfreeze >= 0, f"--unfreeze {self.unfreeze}: expected 0 or more, or 'all'.")
        require(self.epochs >= 1, f"--epochs {self.epochs}: expected 1 or more.")
        require(self.batch_size >= 1, f"--batch-size {self.batch_size}: expected 1 or more.")
        _check_positive("--learning-rate", self.learning_rate)
        require(
            math.isfinite(self.weight_decay) and self.weight_decay >= 0,
            f"--weight-decay {self.weight_decay}: expected 0 or more.",
        )
        require(0 <= self.warmup <= 1, f"--warmup {self.warmup}: expected a share of the steps from 0 to 1.")
        is_size = type(self.feature_cache) is int and self.feature_cache >= 0
        require(
            is_size or self.feature_cache in ("auto", "off"),
            f"--feature-cache {self.feature_cache}: expected auto, off or a size.",
        )
        if self.patience is not None:
            require(self.patience >= 1, f"--patience {self.patience}: expected 1 or more.")
            require(self.data.validation > 0, "--patience needs a validation split.", hint="Give --validation 0.1.")


def _check_trust(config: TrainConfig) -> None:
    """Raise UsageError where what a run shall come to cannot be, or its options do not go together."""
    chosen_on = "Give --validation 0.1 or --folds 5."
    if config.class_weights is not None:
        check_choice("--class-weights", config.class_weights, ("balanced",))
    check_choice("--of", config.of, ("negative", "positive"))
    require(config.folds is None or 2 <= config.folds <= _MOST_FOLDS, f"--folds {config.folds}: expected 2 to {_MOST_FOLDS}.")
    require(
        config.folds is None or config.data.validation == 0,
        "--folds scores every review, and lets none choose the epoch.",
        hint="Leave out --validation, or --folds.",
    )
    target = config.target_precision
    require(
        target is None or 0.5 <= target < 1, f"--target-precision {target}: expected a share from 0.5 to below 1, such as 0.95."
    )
    require(target is not None or config.of == "positive", "--of needs --target-precision.")
    is_measured = bool(config.data.validation or config.folds)
    require(target is None or is_measured, "--target-precision needs reviews to find the threshold on.", hint=chosen_on)
    is_share = isinstance(config.require, float) and 0 < config.require <= 1
    require(
        config.require in (None, "baseline") or is_share, f"--require {config.require}: expected an F1 such as 0.85, or baseline."
    )


def _check_positive(flag: str, value: float) -> None:
    require(math.isfinite(value) and value > 0, f"{flag} {value}: expected a number above 0.")
