"""The command's parsers, to compare with what pages and the contract say. No tests here."""

from __future__ import annotations

import argparse

from worker.cli import parser as cli
from worker.settings.options import OPTIONS


def parsers() -> dict[str, argparse.ArgumentParser]:
    """Every command's parser."""
    for action in cli.parser()._actions:
        if isinstance(action, argparse._SubParsersAction):
            return dict(action.choices)
    raise AssertionError("there are no commands")


def flags(parser: argparse.ArgumentParser) -> set[str]:
    """Every long option of `parser`."""
    return {
        flag
        for action in parser._actions
        for flag in action.option_strings
        if flag.startswith("--")
    }


def settings_of(command: str) -> set[str]:
    """The options of `command` that are settings, with their opposites."""
    parser = argparse.ArgumentParser(add_help=False)
    for option in OPTIONS:
        if command in option.commands:
            kind = argparse.BooleanOptionalAction if option.metavar is None else "store"
            parser.add_argument(option.flag, action=kind)
    return flags(parser)


def metavars(parser: argparse.ArgumentParser) -> dict[str, str]:
    """How the parser writes the value of each option; nothing for a switch."""
    return {
        flag: "" if action.nargs == 0 else str(action.metavar or "|".join(action.choices or ()))
        for action in parser._actions
        for flag in action.option_strings
    }
