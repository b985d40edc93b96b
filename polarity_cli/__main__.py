"""Run the program: `python -m polarity_cli`, or `polarity` once it is installed."""

import gc
import signal
import sys


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    # The libraries bring a million objects that live to the end. Looking through them again and again took 0.9 of the 4.2 s
    # that imports take, and taking them apart one by one at the end another 1.1 s.
    gc.set_threshold(100_000, 50, 1000)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))  # so that work in progress is cleaned up
    try:
        from polarity_cli.cli.app import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # while modules are imported
        sys.exit(130)
    finally:
        gc.freeze()


if __name__ == "__main__":
    main()
