"""`completion`: prints a script that makes a shell complete commands, options and files."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import shtab

from worker.cli.parser import parser
from worker.terminal.output import say


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Print the completion script. Returns the exit code."""
    say(shtab.complete(_with_files(parser()), shell=args.shell))
    return 0


def _with_files(one: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The parser, with file names as the completion of every argument that is a file."""
    for action in one._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _with_files(command)
        elif action.metavar in {"JOB", "PATH", "FILE"}:
            # shtab reads this attribute, which argparse does not declare.
            action.complete = shtab.FILE  # type: ignore[attr-defined]
    return one
