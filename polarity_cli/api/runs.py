"""The verbs as functions of a config: results come back as values, and what they say goes to a log. On top of `verbs/`."""

from __future__ import annotations

from dataclasses import asdict, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from polarity_cli.api.context import find_context
from polarity_cli.config import Context, DataConfig, EvaluateConfig, PredictConfig
from polarity_cli.errors import UsageError, require
from polarity_cli.recipes import RECIPES
from polarity_cli.train_config import TrainConfig

if TYPE_CHECKING:
    from polarity_cli.verbs.evaluation.result import EvaluateResult
    from polarity_cli.verbs.labelling import Predicted
    from polarity_cli.verbs.prepare import Prepared
    from polarity_cli.verbs.publish_run import TrainResult

C = TypeVar("C", DataConfig, TrainConfig, EvaluateConfig, PredictConfig)
_PATHS = ("errors", "out", "output", "predictions", "report", "suspects")
_SEVERAL = ("by", "input", "more_sources", "negative", "positive", "preferred_text", "sources", "text")


def settle_config(config: C) -> C:
    """Return a config whose paths are paths and whose lists are tuples, where it was made with texts and lists."""
    if not is_dataclass(config):
        raise TypeError(f"Found {type(config).__name__}; expected a config, such as DataConfig(source='reviews.csv').")
    changed: dict[str, object] = {}
    for name, value in ((field.name, getattr(config, field.name)) for field in fields(config)):
        if name in _PATHS and isinstance(value, str):
            changed[name] = Path(value)
        elif name in _SEVERAL and isinstance(value, str | list):
            changed[name] = (value,) if isinstance(value, str) else tuple(value)
        elif isinstance(value, DataConfig):
            changed[name] = settle_config(value)
    return replace(config, **changed)  # type: ignore[arg-type]


def _check_recipe(config: TrainConfig) -> None:
    """Refuse a config that names a recipe and has none of its values.

    Raises:
        UsageError: it does.
    """
    given, standard = (asdict(RECIPES[name]) for name in (config.recipe, TrainConfig.recipe))
    own = [name for name in given if given[name] != standard[name]]
    values = {name: getattr(config if hasattr(config, name) else config.data, name) for name in own}
    if own and all(values[name] == standard[name] for name in own):
        raise UsageError(
            f"TrainConfig(recipe={config.recipe!r}) names a recipe and has the values of another.",
            hint=f"Make it with polarity_cli.make_config.make_train_config({{'recipe': {config.recipe!r}, 'source': ...}}).",
        )


def prepare(config: DataConfig, context: Context | None = None) -> Prepared:
    """Tokenize reviews into the cache, or find them there, and return where they are and what is in them.

    >>> from polarity_cli import DataConfig, prepare
    >>> prepared = prepare(DataConfig(source="reviews.csv", encoder="encoder"))
    >>> prepared.count("train") > prepared.count("test") > 0
    True

    Args:
        config: which reviews, how they are split, and for which encoder.
        context: the cache folder, and who is told; None takes the user's cache folder and tells the logger `polarity_cli`.

    Raises:
        DataError: the source is wrong, or has reviews of one class only.
        UsageError, CheckpointError, HubError, CacheError: what the config names is not there, or cannot be.
    """
    from polarity_cli.verbs.prepare import prepare as run

    return run(settle_config(config), find_context(context))


def train(config: TrainConfig, context: Context | None = None) -> TrainResult:
    """Train the last blocks of an encoder, publish the checkpoint to `config.out`, and return what it came to.

    >>> from pathlib import Path
    >>> from polarity_cli import DataConfig, TrainConfig, train
    >>> data = DataConfig(source="reviews.csv", encoder="encoder")
    >>> result = train(TrainConfig(data=data, unfreeze=1, epochs=1, out=Path("trained")))
    >>> (result.out / "model.safetensors").exists()
    True

    The run takes this process alone, and shares it with nothing else: signals that end it save its state first.

    Args:
        config: what to train. `TrainConfig` holds the values of `--recipe default`.
        context: see `prepare`.

    Raises:
        PolarityError: the config, the data, the encoder or the output is wrong.
    """
    from polarity_cli.verbs.train import train as run

    _check_recipe(config)
    result = run(settle_config(config), find_context(context))
    assert result is not None  # a run of one process
    return result


def evaluate(config: EvaluateConfig, context: Context | None = None) -> EvaluateResult:
    """Let a checkpoint answer labelled reviews, and return all that is found of its answers.

    >>> from polarity_cli import EvaluateConfig, evaluate
    >>> found = evaluate(EvaluateConfig(checkpoint="ckpt", sources=("reviews.csv",)))
    >>> found.assessment.metrics["f1"] > 0.8
    True

    Args:
        config: which checkpoint and which reviews; without `sources` those of the training run's test split.
        context: see `prepare`.

    Raises:
        PolarityError: the checkpoint, the data or the config is wrong.
    """
    from polarity_cli.verbs.evaluate import evaluate as run

    result = run(settle_config(config), find_context(context))
    assert result is not None  # a run of one process
    return result


def predict(config: PredictConfig, context: Context | None = None) -> Predicted:
    """Label files, write them to `config.output`, and return how many records there were and which labels they got.

    >>> from pathlib import Path
    >>> from polarity_cli import PredictConfig, predict
    >>> predict(PredictConfig(checkpoint="ckpt", input=("reviews.csv",), output=Path("labelled.csv"))).n_records
    60

    Texts in memory are labelled by `Predictor`.

    Args:
        config: what is read, where it goes, and how texts are labelled.
        context: see `prepare`.

    Raises:
        UsageError: the config names no input or no output, or they do not go together.
        DataError, CheckpointError, HubError: an input cannot be read, or nothing can answer.
    """
    from polarity_cli.verbs.predict import predict as run

    config = settle_config(config)
    require(bool(config.input) and "-" not in config.input, "PredictConfig names no input.", hint="Give input=('reviews.csv',).")
    if config.output is None or str(config.output) == "-":
        raise UsageError(
            "PredictConfig names no output.", hint="Give output=Path('labelled.csv'); for texts, Predictor(...)(texts)."
        )
    return run(settle_config(config), find_context(context))
