"""How one process of several ends: who says what failed, and no signal that overtakes the main process."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
import traceback
from datetime import timedelta
from types import TracebackType

from polarity_cli.distributed.environment import STARTED_HERE, get_world_size, is_main_process
from polarity_cli.errors import LostProcessError

_GRACE_S = 5.0
"""What a process that is not to blame leaves the others, to save and to say what it is: launchers end all after the first."""
_STUCK_S = 25.0
"""How long the main process may take from SIGTERM on: after 30 seconds launchers end it with SIGKILL, as if it were to blame."""


def claim_failure(*, is_same_for_all: bool = False) -> bool:
    """Tell whether this process is the one that says how the run failed; a process that is not waits for that one first.

    It is the first that asks. Before the processes know each other each speaks for itself, but of what is the same for all, as
    they read one command line, the main one alone.
    """
    if not _is_set_up or _is_first_to_fail(is_same_for_all=is_same_for_all):
        return True
    let_others_end()
    return False


def let_others_end() -> None:
    """Wait a while before this process ends, so that its launcher sees first who is to blame; it may not end it with a signal."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    time.sleep(_GRACE_S)


def _is_first_to_fail(*, is_same_for_all: bool) -> bool:
    distributed = sys.modules.get("torch.distributed")
    if distributed is None or not distributed.is_available() or not distributed.is_initialized():
        return not is_same_for_all or is_main_process()
    try:
        host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = distributed.TCPStore(host, port, is_master=False, wait_for_workers=False, timeout=timedelta(seconds=_GRACE_S))
        first: bool = store.add(f"polarity/failed/{os.environ.get('TORCHELASTIC_RESTART_COUNT', '0')}", 1) == 1
        return first
    except (KeyError, ValueError, RuntimeError):
        return False  # whoever kept the store is gone, and has said why


_is_set_up = False


def set_up_process() -> None:
    """Let a process that a launcher started end well: with one traceback for all of them, and no signal that overtakes the main.

    Does nothing in a process that was started alone.
    """
    global _is_set_up
    if get_world_size() == 1:
        return
    _is_set_up = True
    sys.excepthook = _show_once
    if os.environ.get(STARTED_HERE):
        _end_with_parent()
    if threading.current_thread() is threading.main_thread():
        if not is_main_process():
            _leave_when_told()
        else:
            _leave_when_stuck()


def _show_once(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    if claim_failure():
        traceback.print_exception(kind, error, trace)


def _end_with_parent() -> None:
    """Ask Linux for SIGTERM when the process that started this one ends, however it does. Elsewhere nothing happens."""
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG


def _leave_when_told() -> None:
    """Leave some seconds after SIGINT or SIGTERM, whatever the main thread is waiting for.

    A terminal and a launcher send them to all processes at once. The main process then ends its step and saves; another goes
    on until that one is gone, which ends it too, or until its time is up.
    """
    endings = {signal.SIGINT, signal.SIGTERM}
    for number in endings:
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_BLOCK, endings)  # in every thread that begins from now on

    def leave() -> None:
        number = signal.sigwait(endings)
        time.sleep(_GRACE_S)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, endings)
        signal.pthread_kill(threading.get_ident(), number)

    threading.Thread(target=leave, daemon=True).start()


def _leave_when_stuck() -> None:
    """Leave some seconds after SIGTERM where the main thread, waiting for a GPU, say, does not come to hear of it."""
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def leave() -> None:
        while received := os.read(reader, 1):
            if received[0] == signal.SIGTERM:
                time.sleep(_STUCK_S)
                os._exit(LostProcessError.exit_code)

    threading.Thread(target=leave, daemon=True).start()
