"""In what precision the processes of a run compute: what their launcher was told, else the fastest of the machine.

`accelerate launch` hands its workers `no` both where it was told so and where it was told nothing, so its command line and its
config are looked at. Used by `distributed/launch`, `training/runtime` and `encoder/device`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from polarity_cli.distributed.environment import STARTED_HERE
from polarity_cli.distributed.rendezvous import uses_cpu

if TYPE_CHECKING:
    import psutil

PRECISION = "ACCELERATE_MIXED_PRECISION"
"""The variable that says in what precision a launcher wants the run, by Accelerate's names: `no` is float32."""
_LAUNCH = ("accelerate.commands.launch", "accelerate-launch", "accelerate-launch.exe")
_ACCELERATE = ("accelerate.commands.accelerate_cli", "accelerate", "accelerate.exe", "accelerate_cli.py")
"""What starts processes: these by themselves, or these followed by `launch`."""


def choose_precision() -> str:
    """Return the precision of this process, by Accelerate's name: `no`, `bf16`, `fp16` or `fp8`."""
    return find_told_precision() or find_fastest_precision()


def find_told_precision() -> str | None:
    """Return the precision that the launcher was told, by a flag, a config or the variable; None where it was told nothing."""
    given = os.environ.get(PRECISION)
    if given != "no" or os.environ.get(STARTED_HERE):
        return given or None
    launcher = _find_accelerate()
    return given if launcher is None else _read_told(launcher)


def find_stored_precision(config_file: str | None = None, *, folder: Path | None = None) -> str | None:
    """Return the precision in a config of Accelerate's, by default what `accelerate config` stored; None where none is said.

    Args:
        config_file: of `accelerate launch --config_file`.
        folder: against which it is looked for.
    """
    from accelerate.commands.config.config_args import default_config_file, load_config_from_file

    path = Path(folder or "", config_file or default_config_file)
    return getattr(load_config_from_file(str(path)), "mixed_precision", None) if path.is_file() else None


def find_fastest_precision() -> str:
    """Return the precision that is fastest on this machine: bfloat16 on a GPU that computes in it, float32 elsewhere."""
    import torch

    if uses_cpu():
        return "no"
    # Older GPUs only imitate it: torch calls that support too, and it is slower than float32.
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"


def _find_accelerate() -> tuple[psutil.Process, list[str]] | None:
    """Return the `accelerate launch` that this process came from, with the words behind `launch`; None where it is not seen."""
    import psutil

    try:
        for parent in psutil.Process().parents():
            words = parent.cmdline()
            for number, word in enumerate(words[:6]):  # behind Python and its own options
                if word in _LAUNCH or Path(word).name in _LAUNCH:
                    return parent, words[number + 1 :]
                if (word in _ACCELERATE or Path(word).name in _ACCELERATE) and words[number + 1 : number + 2] == ["launch"]:
                    return parent, words[number + 2 :]
    except psutil.Error:
        return None
    return None


def _read_told(launcher: tuple[psutil.Process, list[str]]) -> str | None:
    """Return what an `accelerate launch` was told of precision."""
    import psutil
    from accelerate.commands.launch import launch_command_parser

    process, words = launcher
    options: Any = launch_command_parser().parse_known_args(words)[0]
    if options.mixed_precision:
        return str(options.mixed_precision)
    try:
        folder, environment = Path(process.cwd()), process.environ()
    except psutil.Error:
        folder, environment = Path(), {}
    reads_config = options.config_file is not None or not options.cpu  # as it does itself
    stored = find_stored_precision(options.config_file, folder=folder) if reads_config else None
    return stored or environment.get(PRECISION) or None
