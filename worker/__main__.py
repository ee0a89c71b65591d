"""`python -m worker` and the command `duplicate-batches`. Only what `--version` needs is imported here."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit code."""
    if sys.argv[1:] == ["--version"]:
        from worker import __version__  # noqa: PLC0415 - nothing else is worth its time here

        print(f"duplicate-batches {__version__}")  # noqa: T201 - the answer
        sys.exit(0)
    from worker.cli.main import command_line  # noqa: PLC0415 - as above

    sys.exit(command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
