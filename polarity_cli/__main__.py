"""Run the program: `python -m polarity_cli`, or `polarity` once it is installed."""

import sys


def main() -> None:
    """Run the command line and leave the process with its exit code."""
    try:
        from polarity_cli.cli.app import run

        sys.exit(run(sys.argv[1:]))
    except KeyboardInterrupt:  # while modules are imported
        sys.exit(130)


if __name__ == "__main__":
    main()
