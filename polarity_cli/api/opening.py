"""A predictor's options, and its model: loaded when it is first asked for, in each process by itself. Below `api/predictor`."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from polarity_cli.api.context import LogObserver, settle_process
from polarity_cli.cache.layout import fingerprint
from polarity_cli.checkpoint.checkpoint import Checkpoint
from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.checkpoint.folder_check import is_path
from polarity_cli.config import Context, PredictConfig
from polarity_cli.context import find_cache_dir, is_told_to_be_offline
from polarity_cli.errors import require
from polarity_cli.inference.graphs import describe_files

if TYPE_CHECKING:
    from polarity_cli.inference.labeller import Labeller

_A_FEW = ("a text",)
"""For so few texts full precision answers at once where nobody knows whether int8 agrees with it on texts like them. What
is asked for first, which differs from process to process, shall not decide."""


@dataclass(frozen=True)
class Options:
    """What a predictor was made with; all that travels to another process."""

    checkpoint: str | None
    threads: int | None
    precision: str | None
    device: str
    threshold: float | None
    min_confidence: float
    positive_class: str | None
    text: str | tuple[str, ...] | None
    prefix: str | None
    cache_dir: str | None
    offline: bool | None

    def make_config(self) -> PredictConfig:
        """Return it as the verb takes it, checked."""
        require(self.threads is None or self.threads >= 1, f"threads={self.threads}: expected 1 or more.")
        return PredictConfig(
            checkpoint=self.checkpoint,
            precision=self.precision,
            device=self.device,
            threshold=self.threshold,
            min_confidence=self.min_confidence,
            positive_class=self.positive_class,
            text=(self.text,) if isinstance(self.text, str) else self.text,
            prefix=self.prefix,
        )

    def make_context(self) -> Context:
        """Return where it works: what is not said, this process's environment says."""
        folder = find_cache_dir() if self.cache_dir is None else Path(self.cache_dir)
        offline = is_told_to_be_offline() if self.offline is None else self.offline
        return settle_process(Context(cache_dir=folder, offline=offline, observer=LogObserver()))


class Opening:
    """What is opened with some options in this process. Only the options are pickled."""

    def __init__(self, options: Options) -> None:
        """Check the options; nothing is opened yet.

        Raises:
            UsageError: one of them has a value that cannot be.
        """
        self.options = options
        self.config = options.make_config()
        self.context = options.make_context()
        self.forget()
        _ALL.add(self)

    def forget(self) -> None:
        """Drop what is opened, and the lock, which a thread of another process may have held."""
        self._lock = threading.RLock()
        self._checkpoint: Checkpoint | None = None
        self._labeller: Labeller | None = None

    def settle(self) -> None:
        """Find the checkpoint, and name it so that it is found from anywhere: by its folder from the root on, or its Hub id.

        Raises:
            CheckpointError, HubError, UsageError: see `find_checkpoint`.
        """
        found = self.find()
        named = self.options.checkpoint or found.called
        is_folder = named is None or is_path(named)
        self.options = replace(self.options, checkpoint=str(found.folder.absolute()) if is_folder else named)
        self.config = self.options.make_config()

    def find(self) -> Checkpoint:
        """Return the checkpoint, found the first time and checked; read again until its model is loaded.

        Where another one is published in its place meanwhile, that one answers whole, not this one's config with its weights.

        Raises:
            CheckpointError, HubError, UsageError: see `find_checkpoint`.
        """
        with self._lock:
            if self._checkpoint is None:
                self._checkpoint = find_checkpoint(self.config.checkpoint, self.context)
            elif self._labeller is None:
                self._checkpoint = Checkpoint.open(self._checkpoint.folder, self._checkpoint.called)
            return self._checkpoint

    def open(self) -> Labeller:
        """Return what labels texts, loaded the first time.

        Raises:
            CheckpointError: see `open_model`.
        """
        from polarity_cli.verbs.open_labeller import open_labeller

        with self._lock:
            if self._labeller is None:
                threads = self.options.threads
                # In a forked process the tokenizer's threads are not there, and its cores belong to others as well.
                shares = threads != 1 and not _is_forked
                self._labeller = open_labeller(
                    self.find(), self.config, self.context, own_texts=_A_FEW, threads=threads, shares_tokenizing=shares
                )
            return self._labeller

    def __reduce__(self) -> tuple[Callable[[Options, str], Opening], tuple[Options, str]]:
        return _open_again, (self.options, self._identify())

    def _identify(self) -> str:
        """Return what tells the checkpoint's files as they are now: caches that go by a pickle shall notice another model."""
        if self._checkpoint is None:
            return ""
        try:
            return fingerprint(describe_files(self._checkpoint.folder))
        except OSError:
            return "gone"


def _open_again(options: Options, identity: str) -> Opening:
    """Return what was pickled."""
    return Opening(options)


_ALL: weakref.WeakSet[Opening] = weakref.WeakSet()
_is_forked = False


def _begin_anew() -> None:
    """Forget, in a process that was forked, what is open: the threads that it runs with are not there."""
    global _is_forked
    _is_forked = True
    for opening in list(_ALL):
        opening.forget()


os.register_at_fork(after_in_child=_begin_anew)
