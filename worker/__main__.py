"""`python -m worker` and the command `duplicate-batches`. This module imports only what `--version`
needs."""

from __future__ import annotations

import sys

from worker.terminal.output import finish, prepare, say


def main() -> None:
    """Run the command line and end the process with its exit code."""
    prepare()
    if sys.argv[1:] == ["--version"]:
        from worker import __version__  # noqa: PLC0415 - `--version` needs nothing else

        say(f"duplicate-batches {__version__}")
        sys.exit(finish(0))
    from worker.cli.main import command_line  # noqa: PLC0415 - as above

    sys.exit(command_line(sys.argv[1:]))


if __name__ == "__main__":
    main()
