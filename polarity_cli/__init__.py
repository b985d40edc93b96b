"""Fine-tune the last blocks of a BERT-like encoder for sentiment, and use it from the shell."""

import os

__version__ = "0.1.0"

# No library of this program tells its makers what it is used for. They read this when they are imported, which is later, and the
# processes that this one starts inherit it.
os.environ.update(
    DO_NOT_TRACK="1",
    HF_HUB_DISABLE_TELEMETRY="1",  # of huggingface_hub, and of transformers and datasets above it
    HF_UPDATE_DOWNLOAD_COUNTS="0",  # datasets tells a host that is not the Hub what is read
    DISABLE_SAFETENSORS_CONVERSION="1",  # transformers has pickled weights converted by a service on the Hub
    ORT_DISABLE_TELEMETRY="1",  # onnxruntime reports each model to Microsoft and keeps a device's id in the user's cache folder
)
