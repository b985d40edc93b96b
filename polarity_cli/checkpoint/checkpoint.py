"""The checkpoint folder: what any Hugging Face program can load, with a manifest, the history and a model card.

    model.safetensors, config.json      the whole model, class names in `id2label`
    tokenizer.json, ...                 its tokenizer
    polarity/fp32.onnx, polarity/int8.onnx     the same model as graphs, which `predict` runs
    onnx/model.onnx, onnx/model_quantized.onnx     and as graphs for other programs, where `export` wrote them
    polarity.json                       the manifest: how it was made, what it scored, and which files belong to it
    history.jsonl                       a line for every step and epoch
    training_texts.u64                  hashes of the reviews that it was trained on, see `checkpoint/training_texts`
    README.md                           the model card

Last step of a training run; `evaluate` and `predict` start here.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polarity_cli.cache.entries import Place
from polarity_cli.cache.hashes import are_whole, hash_file
from polarity_cli.cache.locks import Hold, hold
from polarity_cli.cache.publish import report_unwritable, write_json
from polarity_cli.checkpoint.card import write_card
from polarity_cli.checkpoint.classes import check_head, find_positive_class, read_names
from polarity_cli.checkpoint.folder_check import list_files
from polarity_cli.checkpoint.manifest import MANIFEST, Manifest, read_manifest
from polarity_cli.checkpoint.model_folder import ModelFolder
from polarity_cli.errors import CacheError, CheckpointError, UsageError
from polarity_cli.records import Observer, Threshold

HISTORY = "history.jsonl"
KIND = "checkpoints"
"""The cache's folder for them."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A checkpoint's folder that was checked, and what it says of how texts are read for it."""

    model: ModelFolder
    manifest: Manifest | None
    """None for a checkpoint that this program did not make."""
    hold: Hold | None = None
    """Nobody frees the folder while this object is there."""
    called: str | None = None
    """What the user calls it: a Hub id, or a folder as it was typed."""

    @classmethod
    def open(cls, folder: Path, called: str | None = None) -> Checkpoint:
        """Check a folder and read its config and its manifest, once for all that is done with it.

        Args:
            folder: of the checkpoint.
            called: what the user calls it; None calls it by its folder.

        Raises:
            CheckpointError: there is no such folder, it is no checkpoint, its config or manifest is damaged, or a file leads out
                of it.
        """
        name = called or str(folder)
        if not folder.is_dir():
            what = "a file, expected a checkpoint's folder" if folder.exists() else "no such folder"
            raise CheckpointError(f"{name}: {what}.", hint="`polarity train` makes a checkpoint.")
        if not (folder / "config.json").is_file():
            raise CheckpointError(
                f"{name}: no checkpoint (there is no config.json in it).", hint="`polarity train` makes a checkpoint."
            )
        held = None
        with contextlib.suppress(OSError):
            held = hold(folder)
        model = ModelFolder.open(folder, name)
        if not os.path.lexists(folder / MANIFEST):
            return cls(model, None, held, called)
        manifest = read_manifest(folder)
        if manifest is None:
            raise CheckpointError(
                f"{folder / MANIFEST}: the manifest is damaged.",
                hint=f"Copy the folder again from where it came (`polarity cache list` shows the cache's), or remove {MANIFEST}: "
                "it is then read as a model of another program.",
            )
        return cls(model, manifest, held, called)

    @property
    def folder(self) -> Path:
        """Where it is."""
        return self.model.path

    @property
    def name(self) -> str:
        """What messages and results call it."""
        return self.model.name

    @property
    def text(self) -> tuple[str, ...] | None:
        """The text columns that it was trained on."""
        return self.manifest.data.text if self.manifest else None

    @property
    def truncation(self) -> str:
        """What it keeps of a long text."""
        return self.manifest.truncation if self.manifest else "head"

    @property
    def max_length(self) -> int | None:
        """The most tokens of a text; None where only the encoder's own limit is known."""
        return self.manifest.max_length if self.manifest else None

    @property
    def threshold(self) -> Threshold | None:
        """From which probability on it answers positive, as training found; None where the likelier class answers."""
        return self.manifest.threshold if self.manifest else None

    @property
    def class_names(self) -> dict[int, str]:
        """The names of its two classes, by index.

        Raises:
            CheckpointError: there are not two.
        """
        return read_names(self.model.config, self.name)

    @property
    def sigmoid(self) -> bool:
        """Whether its head scores each class by itself.

        Raises:
            CheckpointError: it gives numbers that are no scores.
        """
        return check_head(self.model.config, self.name)

    def find_positive(self, name: str | None) -> int:
        """Return the index of the class that means positive: the one asked for, else by the usual names.

        Raises:
            CheckpointError: there are not two classes that are scored, or it is not clear which one is positive.
        """
        positive = find_positive_class(self.class_names, name, self.name)
        check_head(self.model.config, self.name)
        return positive


def seal_checkpoint(folder: Path, manifest: dict[str, Any]) -> None:
    """Write the model card, and the manifest with the SHA-256 of every file.

    Raises:
        CacheError: the disk refuses.
    """
    with report_unwritable(folder.parent):
        write_card(folder / "README.md", manifest)
        names = [name for name in list_files(folder) if name != MANIFEST]
        for name in names:
            (folder / name).chmod(0o644)  # safetensors writes for the owner alone
        files = {name: hash_file(folder / name) for name in names}
        write_json(folder / MANIFEST, {**manifest, "files": files})


def find_newest(cache_dir: Path, observer: Observer) -> Path:
    """Return the checkpoint that was made last and is whole; damaged ones are passed over with a warning.

    Raises:
        CheckpointError: the cache holds none.
    """
    folders = list_checkpoints(cache_dir)
    for folder in reversed(folders):
        manifest = read_manifest(folder)
        if manifest is not None and manifest.is_refused:
            continue
        if manifest is not None and are_whole(folder, manifest.files, Place(cache_dir, KIND, folder.name).notes):
            return folder
        observer.warn(f"{folder}: not as it was written; it is passed over.")
    what = "is whole" if folders else "yet"
    raise CheckpointError(f"No checkpoint in {cache_dir} {what}.", hint="Make one with `polarity train`, or name a folder.")


def list_checkpoints(cache_dir: Path) -> list[Path]:
    """Return the folders of the checkpoints that the cache holds, the oldest first."""
    return sorted(path for path in (cache_dir / KIND).glob("[0-9]*T[0-9]*-*") if path.is_dir() and not path.is_symlink())


def check_out(out: Path) -> None:
    """Refuse an `--out` that would replace anything but a checkpoint published earlier, as it was published.

    Raises:
        UsageError: something else is there.
    """
    if not out.exists() and not out.is_symlink():
        return
    manifest = read_manifest(out) if out.is_dir() and not out.is_symlink() else None
    if manifest is None:
        empty = out.is_dir() and not out.is_symlink() and not any(out.iterdir())
        if empty:
            return
        raise UsageError(
            f"--out {out}: it exists and is not a checkpoint that an earlier run published.",
            hint="Name another folder.",
        )
    extra = sorted({*list_files(out)} - {*manifest.files, MANIFEST})
    changed = sorted(
        name for name, sha256 in manifest.files.items() if (out / name).is_file() and hash_file(out / name) != sha256
    )
    if extra or changed:
        raise UsageError(
            f"--out {out}: replacing it would lose what no run published: {', '.join([*extra, *changed][:10])}.",
            hint="Move that away, or name another folder.",
        )


def publish_checkpoint(checkpoint: Path, out: Path) -> None:
    """Copy a checkpoint to `out`, by renaming, replacing only an earlier published one as it was published.

    Raises:
        UsageError: something else is at `out`.
        CacheError: it cannot be written.
    """
    kept = f"The checkpoint is in {checkpoint}."
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
    except OSError as error:
        raise CacheError(f"--out {out}: cannot be written ({error.strerror}).", hint=kept) from error
    held = None
    try:
        held = hold(checkpoint)  # so that nobody frees it while it is copied
        shutil.copytree(checkpoint, work / "new")
        check_out(out)
        if out.exists():
            out.rename(work / "old")
        (work / "new").rename(out)
    except OSError as error:  # copytree's own holds a list of (from, to, reason)
        reason = error.args[0][0][2] if isinstance(error, shutil.Error) else error.strerror
        raise CacheError(f"--out {out}: cannot be written ({reason}).", hint=kept) from error
    finally:
        if (work / "old").exists() and not out.exists():  # failed or interrupted between the two renames
            (work / "old").rename(out)
        shutil.rmtree(work, ignore_errors=True)
        if held is not None:
            held.close()
