"""What a process of several knows before anything heavy is imported: which one it is, when it may speak, how it leaves.

A launcher (accelerate, torchrun, mpirun, `launch`) starts the same command line several times. The main process draws progress
and prints; the others, its followers, are silent unless they are the first to fail.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
import traceback
from datetime import timedelta
from types import TracebackType

RANKS = ("RANK", "PMI_RANK", "OMPI_COMM_WORLD_RANK", "MV2_COMM_WORLD_RANK")
SIZES = ("WORLD_SIZE", "PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "MV2_COMM_WORLD_SIZE")
LOCAL_SIZES = ("LOCAL_WORLD_SIZE", "MPI_LOCALNRANKS", "OMPI_COMM_WORLD_LOCAL_SIZE", "MV2_COMM_WORLD_LOCAL_SIZE")
"""The variables that launchers set, torchrun's first: those that Accelerate reads."""
STARTED_HERE = "POLARITY_LAUNCHED"
"""Set where `--processes` started this process: then the one that did says how the others ended."""
_GRACE_S = 5.0
"""What a process that is not to blame leaves the others, to save and to say what it is: launchers end all after the first."""
_FAILED_KEY = "polarity/failed"


def find_rank() -> int | None:
    """Return which process of several this is, from 0; None where it was started alone."""
    return _read(RANKS)


def count_launched() -> int:
    """Return how many processes a launcher started, on all machines together."""
    return _read(SIZES) or 1


def count_local() -> int:
    """Return how many of them are on this machine."""
    return max(1, _read(LOCAL_SIZES) or 1)


def _read(names: tuple[str, ...]) -> int | None:
    return next((int(os.environ[name]) for name in names if os.environ.get(name, "").isdecimal()), None)


def is_follower() -> bool:
    """Tell whether another process is the main one."""
    return (find_rank() or 0) > 0


def claim_failure() -> bool:
    """Tell whether this process is the one that says how the run failed; a process that is not waits for that one first.

    It is the first that asks; before the processes know each other, the main one, since all read the same command line.
    """
    if find_rank() is None or _is_first_to_fail():
        return True
    let_others_end()
    return False


def let_others_end() -> None:
    """Wait a while before this process ends, so that its launcher sees first who is to blame; it may not end it with a signal."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(_GRACE_S)


def _is_first_to_fail() -> bool:
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return not is_follower()
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = distributed.TCPStore(host, port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=_GRACE_S))
        first: bool = store.add(_FAILED_KEY, 1) == 1
        return first
    except (KeyError, ValueError, RuntimeError):
        return False  # whoever kept the store is gone, and has said why


def set_up_process() -> None:
    """Let a process that a launcher started end well: with one traceback for all of them, and no signal that overtakes the main.

    Does nothing in a process that was started alone.
    """
    if find_rank() is None:
        return
    sys.excepthook = _show_once
    if os.environ.get(STARTED_HERE):
        _end_with_parent()
    if is_follower() and threading.current_thread() is threading.main_thread():
        _leave_when_told()


def _show_once(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if claim_failure():
        traceback.print_exception(kind, error, trace)


def _end_with_parent() -> None:
    """Ask Linux for SIGTERM when the process that started this one ends, however it does. Elsewhere nothing happens."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _leave_when_told() -> None:
    """Leave some seconds after SIGINT or SIGTERM, whatever the main thread is waiting for.

    A terminal and a launcher send them to all processes at once. The main process then ends its step and saves; a follower goes
    on until that one is gone, which ends it too, or until its time is up.
    """
    told = {signal.SIGINT, signal.SIGTERM}
    for number in told:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, told)  # in every thread that begins from now on

    def leave() -> None:
        number = signal.sigwait(told)
        time.sleep(_GRACE_S)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, told)
        signal.pthread_kill(threading.get_ident(), number)

    threading.Thread(target=leave, daemon=True).start()
