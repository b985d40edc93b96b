"""`polarity cache list` and `polarity cache prune`."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import typer

from polarity_cli.cli import options
from polarity_cli.cli.console import make_context, print_json
from polarity_cli.cli.options import Call
from polarity_cli.cli.parser import Command, Group
from polarity_cli.config import PruneConfig
from polarity_cli.make_config import make_config
from polarity_cli.text import make_printable

if TYPE_CHECKING:
    from polarity_cli.cache.contents import CacheItem

LIST_SCHEMA, PRUNE_SCHEMA = "polarity/cache-list/1", "polarity/cache-prune/1"
"""The versions of the JSON documents; see `schemas/`."""

app = typer.Typer(
    name="cache",
    cls=Group,
    help="Show what the cache holds, and free it.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

LIST_EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity cache list
      polarity cache list --json | jq '.entries | map(.size) | add'
    """
)
PRUNE_EXAMPLES = options.paragraphs(
    """
    Examples:
      polarity cache prune --older-than 30d --dry-run
      polarity cache prune --max-size 5GB
      polarity cache prune --older-than 2w --max-size 500MB --yes
    """
)


@app.command("list", cls=Command, epilog=LIST_EXAMPLES)
@options.takes("cache list")
def list_command(given: dict[str, Any], call: Call) -> None:
    """Show kind, size, age and use of everything in the cache, what was used last first."""
    from polarity_cli.cache.prune import list_cache

    context = make_context(call)
    items = list_cache(context)
    size = sum(item.size for item in items)
    if call.json:
        about = {"schema": LIST_SCHEMA, "folder": str(context.cache_dir), "size": size}
        print_json({**about, "entries": [_describe(item) for item in items]})
    elif not items:
        context.observer.note(f"Nothing in {context.cache_dir} yet.")
    else:
        _print_table(items)
        print(f"{_format_size(size)} in {make_printable(str(context.cache_dir))}")


@app.command("prune", cls=Command, epilog=PRUNE_EXAMPLES)
@options.takes("cache prune", PruneConfig, also=("yes",))
def prune_command(given: dict[str, Any], call: Call) -> None:
    """Free what can be made again; checkpoints and interrupted runs go last, and only after asking.

    What a running command uses, and the reviews that a checkpoint in the cache is evaluated on, stay. Checkpoints that were
    published elsewhere are never touched.
    """
    from polarity_cli.cache.prune import prune

    config = make_config(PruneConfig, given)
    context = make_context(call)
    result = prune(config, context, lambda items: call.yes or _ask(items))
    if result.spared:
        context.observer.note(f"Kept: {', '.join(f'{item.kind}/{item.name}' for item in result.spared)}.")
    if config.max_size is not None and result.size > config.max_size:
        left = "would be left" if config.dry_run else "are left"
        context.observer.note(f"{_format_size(result.size)} {left}: what is in use, or needed, or was not agreed to.")
    freed = sum(item.size for item in result.freed)
    if call.json:
        parts = {"entries": result.freed, "kept": result.spared}
        described = {name: [_describe(item) for item in items] for name, items in parts.items()}
        about = {"schema": PRUNE_SCHEMA, "folder": str(context.cache_dir), "dry_run": config.dry_run}
        print_json({**about, "freed": freed, "size": result.size, **described})
        return
    if result.freed:
        _print_table(result.freed)
    print(f"{_format_size(freed)} {'would be freed' if config.dry_run else 'freed'}, {_format_size(result.size)} left")


def _ask(items: Sequence[CacheItem]) -> bool:
    """Ask on standard error whether these may go; without a terminal nobody can agree."""
    names = ", ".join(make_printable(f"{item.kind}/{item.name} ({item.description})") for item in items)
    if not (sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()):
        print("Checkpoints and interrupted runs are kept: nobody can be asked here. Give --yes to let them go.", file=sys.stderr)
        return False
    return typer.confirm(f"Remove for good: {names}?", err=True)


def _describe(item: CacheItem) -> dict[str, Any]:
    return {
        "kind": item.kind,
        "name": item.name,
        "description": item.description,
        "size": item.size,
        "made": _format_time(item.made),
        "used": _format_time(item.used),
        "in_use": item.in_use,
        "needed_by": list(item.needed_by),
        "folder": str(item.folder),
    }


def _print_table(items: Sequence[CacheItem]) -> None:
    now = time.time()
    rows = [("KIND", "SIZE", "USED", "MADE", "NAME", "USE", "WHAT")]
    for item in items:
        times = (_format_age(now - item.used), _format_age(now - item.made))
        rows.append((item.kind, _format_size(item.size), *times, item.name, _format_use(item), item.description))
    printable = [[make_printable(cell).replace("\n", " ") for cell in row] for row in rows]
    widths = [max(len(row[column]) for row in printable) for column in range(len(rows[0]))]
    for row in printable:
        print("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _format_use(item: CacheItem) -> str:
    if item.in_use or not item.needed_by:
        return "in use" if item.in_use else "-"
    more = f" and {len(item.needed_by) - 1} more" if len(item.needed_by) > 1 else ""
    return f"needed by {item.needed_by[0]}{more}"


def _format_size(size: int) -> str:
    from rich.filesize import decimal

    return decimal(size)


def _format_time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _format_age(seconds: float) -> str:
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(0, int(seconds))} s"
