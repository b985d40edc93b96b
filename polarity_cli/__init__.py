"""Fine-tune the last blocks of a BERT-like encoder for sentiment, and use it from the shell.

From Python: `from polarity_cli import Predictor, train, TrainConfig, DataConfig`. A name is imported when it is first asked for.
"""

import os

TYPE_CHECKING = False  # type checkers know better; the module of this name would take longer than all else here
if TYPE_CHECKING:
    from polarity_cli.api.predictor import Predictor as Predictor
    from polarity_cli.api.runs import evaluate as evaluate
    from polarity_cli.api.runs import predict as predict
    from polarity_cli.api.runs import prepare as prepare
    from polarity_cli.api.runs import train as train
    from polarity_cli.config import DataConfig as DataConfig
    from polarity_cli.config import EvaluateConfig as EvaluateConfig
    from polarity_cli.config import PredictConfig as PredictConfig
    from polarity_cli.context import Context as Context
    from polarity_cli.errors import PolarityError as PolarityError
    from polarity_cli.read_options import ReadOptions as ReadOptions
    from polarity_cli.records import Prediction as Prediction
    from polarity_cli.train_config import TrainConfig as TrainConfig

__version__ = "0.1.0"
_HOMES = {
    "Context": "context",
    "DataConfig": "config",
    "EvaluateConfig": "config",
    "PolarityError": "errors",
    "PredictConfig": "config",
    "Prediction": "records",
    "Predictor": "api.predictor",
    "ReadOptions": "read_options",
    "TrainConfig": "train_config",
    "evaluate": "api.runs",
    "predict": "api.runs",
    "prepare": "api.runs",
    "train": "api.runs",
}
"""The module of each name that this package offers."""
__all__ = sorted(_HOMES)

# No library of this program tells its makers what it is used for. They read this when they are imported, which is later, and the
# processes that this one starts inherit it.
os.environ.update(
    DO_NOT_TRACK="1",
    HF_HUB_DISABLE_TELEMETRY="1",  # of huggingface_hub, and of transformers and datasets above it
    HF_UPDATE_DOWNLOAD_COUNTS="0",  # datasets tells a host that is not the Hub what is read
    DISABLE_SAFETENSORS_CONVERSION="1",  # transformers has pickled weights converted by a service on the Hub
    ORT_DISABLE_TELEMETRY="1",  # onnxruntime reports each model to Microsoft and keeps a device's id in the user's cache folder
)


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
