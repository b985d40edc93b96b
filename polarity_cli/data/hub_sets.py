"""Which part of a Hub data set is wanted, and the library's own reader of the set. Used by `data/hub`."""

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
class Wanted:
    """Which rows of which set."""

    repo: str
    config: str | None
    revision: str
    rows: int | None
    splits: Sequence[str] | None

    @property
    def name(self) -> str:
        """As it is typed."""
        return f"{self.repo}:{self.config}" if self.config else self.repo

    def choose(self, there: Sequence[str]) -> list[str]:
        """Return which of a set's splits are read.

        Raises:
            DataError: it has none of those.
        """
        wanted = self.splits or ["train"]
        first = next((split for split in wanted if split in there), None)
        if first is None:
            raise DataError(
                f"{self.name}: no {' or '.join(wanted)} split; its splits are {', '.join(there) or 'not named'}.",
                hint="Download the files, and name those to read as SOURCE.",
            )
        if self.splits is not None or self.rows is not None:
            return [first]
        return [name for name in ("train", "validation", "test") if name in there]


def find_builder(wanted: Wanted) -> Any:
    """Return what the `datasets` library reads a set with; inside `hub.connect`.

    Raises:
        DataError: it is not a set of data files, has no such configuration, or several and none is named.
    """
    import datasets

    try:
        return datasets.load_dataset_builder(wanted.repo, wanted.config, revision=wanted.revision)
    except (datasets.exceptions.DatasetsError, ValueError, RuntimeError) as error:
        _check_config(wanted)
        # A set with code instead of data, or without files of a known format.
        raise DataError(f"{wanted.name}: not a data set that can be read ({first_line(error)}).") from error


def _check_config(wanted: Wanted) -> None:
    """Say which configurations there are, where that is what was wrong."""
    import datasets

    names: list[str] = []
    with suppress(datasets.exceptions.DatasetsError, ValueError, RuntimeError):
        names = sorted(datasets.get_dataset_config_names(wanted.repo, revision=wanted.revision))
    shown = f"{', '.join(names[:_N_SHOWN])}{f' and {len(names) - _N_SHOWN} more' if len(names) > _N_SHOWN else ''}"
    if wanted.config is None and len(names) > 1:
        raise DataError(
            f"{wanted.repo}: it has several configurations: {shown}.", hint=f"Name one behind a colon: {wanted.repo}:{names[0]}"
        )
    if wanted.config is not None and names and wanted.config not in names:
        raise DataError(f"{wanted.name}: it has no such configuration.", hint=f"Choose one of {shown}: {wanted.repo}:{names[0]}")
