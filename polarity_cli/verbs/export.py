"""The verb `export`: graphs of a checkpoint for other programs, checked against its weights, and its publication."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.cache.hashes import hash_file
from polarity_cli.cache.publish import read_json, report_unwritable
from polarity_cli.checkpoint.checkpoint import Checkpoint, publish_checkpoint
from polarity_cli.checkpoint.choose import find_checkpoint
from polarity_cli.checkpoint.folder_check import PORTABLE_FOLDER, list_files
from polarity_cli.checkpoint.manifest import MANIFEST
from polarity_cli.checkpoint.reseal import reseal_checkpoint
from polarity_cli.checkpoint.tokenizer import TOKENIZER
from polarity_cli.config import Context, ReadOptions
from polarity_cli.errors import ExportError, UsageError
from polarity_cli.export_config import ExportConfig
from polarity_cli.extras import require_extra
from polarity_cli.formats import open_path
from polarity_cli.hub.licenses import check_license
from polarity_cli.hub.repository import check_push
from polarity_cli.verbs.publish import Published, fetch_rest, publish_to_hub

if TYPE_CHECKING:
    from polarity_cli.data.tokenizing import TokenIds
    from polarity_cli.encoder.torch_engine import TorchCheckpoint


@dataclass(frozen=True)
class ExportResult:
    """What was exported."""

    checkpoint: Checkpoint
    """With its graphs."""
    onnx: dict[str, Any] | None = None
    """What the checks of its graphs found, see `export/portable`; None where none were written."""
    checked_on: str | None = None
    """The texts that the graphs were calibrated and checked on."""
    published: Published | None = None
    """What came to the Hub; None where nothing was to."""


def export(config: ExportConfig, context: Context) -> ExportResult:
    """Write a checkpoint's graphs for other programs into its folder `onnx`, or into a copy of the checkpoint, and publish it.

    Raises:
        UsageError: the checkpoint is not in a folder of the user's own and `--out` names none, or the folder has graphs that
            another program wrote; or it cannot be published so, see `verbs/publish`.
        CheckpointError, HubError: there is no such checkpoint, or it is damaged; or the Hub refuses it.
        ExportError: the model has no graph that answers as it does.
        CacheError: the folder cannot be written.
    """
    if config.writes_graphs:
        require_extra("train", "polarity export")
    if config.push is not None:
        check_push(config.push, context)
        if config.license is not None:
            check_license(config.license, "--license")
    checkpoint = find_checkpoint(config.checkpoint, context)
    if config.push is not None:
        checkpoint = fetch_rest(checkpoint, context)
    result = _export_graphs(checkpoint, config, context) if config.writes_graphs else ExportResult(checkpoint)
    if config.push is None:
        return result
    return replace(result, published=publish_to_hub(result.checkpoint, config, context))


def _export_graphs(checkpoint: Checkpoint, config: ExportConfig, context: Context) -> ExportResult:
    _check_place(checkpoint, config, context)
    from polarity_cli.encoder.agreement import load_checkpoint

    # Which class means positive is nothing to a graph.
    with context.observer.track("Loading the checkpoint"):
        loaded = load_checkpoint(checkpoint, positive_class="1")
    texts, checked_on = _find_texts(checkpoint, loaded, context)
    with context.observer.track("Exporting graphs for other programs"):
        checkpoint, figures = _write_graphs(checkpoint, loaded, texts, out=config.out)
        changed = [f"{PORTABLE_FOLDER}/{name}" for name in _list_ours(checkpoint.folder / PORTABLE_FOLDER)]
        changed += _clean_tokenizer(checkpoint)
        reseal_checkpoint(checkpoint.folder, {"onnx": figures}, changed)
    if not figures["int8"]["written"]:
        share = 1 - figures["int8"]["equal_labels"]
        context.observer.warn(f"No int8 graph: it would turn {share:.1%} of {figures['int8']['n_texts']} labels.")
    # Opened again: its manifest is another one by now.
    return ExportResult(Checkpoint.open(checkpoint.folder, checkpoint.called), figures, checked_on)


def _check_place(checkpoint: Checkpoint, config: ExportConfig, context: Context) -> None:
    """Refuse to write into a cache, or over graphs of other programs.

    Raises:
        UsageError: that is what it would be.
    """
    folder = checkpoint.folder.resolve()
    is_kept = folder.is_relative_to(context.cache_dir.resolve()) or folder.parent.name == "snapshots"
    if config.out is None and is_kept:
        raise UsageError(f"{checkpoint.name} is in a cache.", hint="Name a folder for a copy with the graphs: --out ./exported.")
    if config.out is not None and config.out.resolve().is_relative_to(folder):
        raise UsageError(f"--out {config.out}: that is in the checkpoint itself.", hint="Leave it out, or name another folder.")
    graphs = checkpoint.folder / PORTABLE_FOLDER
    if os.path.lexists(graphs) and not _is_ours(graphs):
        hint = f"Move {graphs} away, or export a copy of the checkpoint without it."
        raise UsageError(f"{graphs}: holds what this program did not write, or was changed since.", hint=hint)


def _is_ours(graphs: Path) -> bool:
    """Tell whether a folder holds the graphs that an export wrote, as it wrote them, and nothing else."""
    from polarity_cli.export.portable import RECORD, hash_graphs

    try:
        return not graphs.is_symlink() and hash_graphs(graphs) == (read_json(graphs / RECORD) or {}).get("files")
    except OSError:
        return False


def _list_ours(graphs: Path) -> list[str]:
    return list_files(graphs) if graphs.is_dir() else []


def _is_copy(folder: Path, source: Path) -> bool:
    """Tell whether a folder is a checkpoint of another program as it was copied from a source, with our graphs or none."""
    if not folder.is_dir() or (folder / MANIFEST).exists():
        return False
    own, other = ([name for name in list_files(path) if not name.startswith(f"{PORTABLE_FOLDER}/")] for path in (folder, source))
    graphs = folder / PORTABLE_FOLDER
    is_ours = not os.path.lexists(graphs) or _is_ours(graphs)
    return is_ours and own == other and all(hash_file(folder / name) == hash_file(source / name) for name in own)


def _write_graphs(
    checkpoint: Checkpoint, loaded: TorchCheckpoint, texts: Sequence[TokenIds], *, out: Path | None
) -> tuple[Checkpoint, dict[str, Any]]:
    """Write the folder of graphs beside its place, and put it there whole, in place of an earlier one.

    With `out` the checkpoint is copied there first, once there are graphs for it. The checkpoint that has them is returned.
    """
    from polarity_cli.encoder.loading import load_tokenizer
    from polarity_cli.export.portable import Reader, export_portable

    reader = Reader(
        pad_id=loaded.tokenizer.pad_id or 0,
        gives_segments="token_type_ids" in load_tokenizer(checkpoint.model).model_input_names,
        longest=loaded.max_length,
        sigmoid=loaded.sigmoid,
    )
    beside = checkpoint.folder if out is None else out.absolute().parent
    work = beside / f".{PORTABLE_FOLDER}.{secrets.token_hex(4)}"
    try:
        with report_unwritable(beside):
            beside.mkdir(parents=True, exist_ok=True)
            figures = export_portable(work, loaded.model, texts, reader)
            for path in work.iterdir():
                path.chmod(0o644)
        if out is not None and not _is_copy(out, checkpoint.folder):
            publish_checkpoint(checkpoint.folder, out)
        checkpoint = checkpoint if out is None else Checkpoint.open(out, str(out))
        graphs = checkpoint.folder / PORTABLE_FOLDER
        with report_unwritable(checkpoint.folder):
            if graphs.exists():
                graphs.rename(work / "earlier")
                shutil.rmtree(work / "earlier")
            work.rename(graphs)
    except ExportError as error:
        raise ExportError(f"{checkpoint.name} cannot be exported: {error}.") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return checkpoint, figures


def _clean_tokenizer(checkpoint: Checkpoint) -> list[str]:
    """Write the tokenizer of an older checkpoint of this program as newer ones have it; return the names of its files."""
    if checkpoint.manifest is None:
        return []
    from polarity_cli.encoder.loading import load_tokenizer
    from polarity_cli.encoder.saving import save_tokenizer

    names = [TOKENIZER, "tokenizer_config.json"]
    with report_unwritable(checkpoint.folder):
        save_tokenizer(load_tokenizer(checkpoint.model), checkpoint.folder)
    return names


def _find_texts(checkpoint: Checkpoint, loaded: TorchCheckpoint, context: Context) -> tuple[list[TokenIds], str]:
    """Return token ids of the reviews that the run's own graphs were checked on, where the cache still has them, else built-in
    ones, and what they are."""
    from polarity_cli.data.tokenized import read_split
    from polarity_cli.export.texts import choose_texts
    from polarity_cli.sample import SAMPLE_DIR
    from polarity_cli.verbs.prepare import find_prepared

    entry = find_prepared(context.cache_dir, checkpoint.manifest.data.fingerprint) if checkpoint.manifest else None
    if entry is not None:
        names = [name for name in ("validation", "train") if f"{name}.arrow" in entry.manifest["files"]]
        split, numbers = choose_texts({name: read_split(entry.folder / f"{name}.arrow") for name in names[:1]})
        return split.get_ids(numbers), f"{len(numbers):,} of its own reviews ({names[0]})"
    rows = open_path(SAMPLE_DIR / "test.jsonl", ReadOptions()).records
    texts = [f"{row.fields['title']}: {row.fields['content']}" for row in rows if row.fields]
    return loaded.load_tokenizer().encode(texts), f"{len(texts):,} built-in reviews, which are English"
