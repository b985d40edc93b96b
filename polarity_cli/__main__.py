"""Run the program: `python -m polarity_cli`, or `polarity` once it is installed."""

from polarity_cli.cli.app import main

if __name__ == "__main__":
    main()
