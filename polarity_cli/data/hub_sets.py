"""Which part of a Hub data set to read, and the `datasets` library's reader of the set. Used by `data/hub`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from polarity_cli.errors import DataError
from polarity_cli.hub.retries import first_line

_N_SHOWN = 20
"""Configurations that are listed: some sets have hundreds."""


@dataclass(frozen=True)
class Selection:
    """The rows to read: of which set, configuration, revision and splits."""

    repo: str
    config: str | None
    revision: str
    rows: int | None
    splits: Sequence[str] | None

    @property
    def name(self) -> str:
        """The set as a user types it, with its configuration."""
        return f"{self.repo}:{self.config}" if self.config else self.repo

    def choose(self, there: Sequence[str]) -> list[str]:
        """Return the splits to read, of those that a set has.

        Raises:
            DataError: the set has none of them.
        """
        names = self.splits or ["train"]
        first = next((split for split in names if split in there), None)
        if first is None:
            raise DataError(
                f"{self.name}: no {' or '.join(names)} split; its splits are {', '.join(there) or 'not named'}.",
                hint="Download the files, and name those to read as SOURCE.",
            )
        if self.splits is not None or self.rows is not None:
            return [first]
        return [name for name in ("train", "validation", "test") if name in there]


def find_builder(selection: Selection) -> Any:
    """Return the builder of the `datasets` library that reads a set; call it inside `hub.connect`.

    Raises:
        DataError: it is not a set of data files, has no such configuration, or several and none is named.
    """
    import datasets

    try:
        return datasets.load_dataset_builder(selection.repo, selection.config, revision=selection.revision)
    except (datasets.exceptions.DatasetsError, ValueError, RuntimeError) as error:
        _check_config(selection)
        # A set with code instead of data, or without files of a known format.
        raise DataError(f"{selection.name}: not a data set that can be read ({first_line(error)}).") from error


def _check_config(selection: Selection) -> None:
    """Raise DataError with the set's configurations, where a missing or unknown one was the fault."""
    import datasets

    names: list[str] = []
    with suppress(datasets.exceptions.DatasetsError, ValueError, RuntimeError):
        names = sorted(datasets.get_dataset_config_names(selection.repo, revision=selection.revision))
    shown = f"{', '.join(names[:_N_SHOWN])}{f' and {len(names) - _N_SHOWN} more' if len(names) > _N_SHOWN else ''}"
    if selection.config is None and len(names) > 1:
        raise DataError(
            f"{selection.repo}: it has several configurations: {shown}.",
            hint=f"Name one behind a colon: {selection.repo}:{names[0]}",
        )
    if selection.config is not None and names and selection.config not in names:
        raise DataError(
            f"{selection.name}: it has no such configuration.", hint=f"Choose one of {shown}: {selection.repo}:{names[0]}"
        )
