"""`make mutants`: changes the pure rules in small ways (mutmut), and lists the changes that no test
notices and that `mutants.txt` does not explain."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

say = partial(print, flush=True)

HERE = Path(__file__).parents[1]
EXPLAINED = Path(__file__).with_suffix(".txt")
MUTMUT = (sys.executable, "-m", "mutmut")


class Mutant(NamedTuple):
    """A change of one function: the lines that it takes away and those that it adds, without
    spaces around them."""

    function: str
    removed: tuple[str, ...]
    added: tuple[str, ...]

    def __str__(self) -> str:
        removed = [f"- {line}" for line in self.removed]
        return "\n".join([self.function, *removed, *(f"+ {line}" for line in self.added)])


def main() -> int:
    """Run all mutants; the exit code: 1 if one is not noticed and not explained, 2 if pytest does
    not find a test."""
    if wrong := not_found(selection()):
        say(
            "pytest does not find every test of pytest_add_cli_args_test_selection in"
            f" pyproject.toml, and mutmut counts that as a change that was noticed:\n{wrong}"
        )
        return 2
    ended = subprocess.run([*MUTMUT, "run", *sys.argv[1:]], check=False)
    if ended.returncode:
        return ended.returncode
    known = set(explained(EXPLAINED.read_text("utf-8")))
    left = [mutant for mutant in survivors() if mutant not in known]
    say("".join(f"\n{mutant}\n" for mutant in left))
    say(f"{len(left)} not noticed and not explained in {EXPLAINED.name}")
    return 1 if left else 0


def selection() -> list[str]:
    """The tests that `pyproject.toml` names for mutmut."""
    options = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["tool"]["mutmut"]
    return list(options["pytest_add_cli_args_test_selection"])


def not_found(named: Sequence[str]) -> str:
    """What is wrong if pytest does not find these files and tests, or one of their tests by its own
    id, as mutmut asks for it; otherwise ""."""
    collected = _collected(named)
    if collected.returncode:
        return collected.stdout + collected.stderr
    ids = [line for line in collected.stdout.splitlines() if "::" in line]
    if empty := [name for name in named if not any(one.startswith(name) for one in ids)]:
        return f"no test in {', '.join(empty)}"
    again = _collected(ids)
    return again.stdout + again.stderr if again.returncode else ""


def _collected(names: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """The ids of these tests, one a line, as pytest finds them."""
    command = (sys.executable, "-m", "pytest", "-o", "addopts=", "-q", "--collect-only", *names)
    return subprocess.run(command, cwd=HERE, check=False, capture_output=True, text=True)


def survivors() -> Iterator[Mutant]:
    """The mutants that no test noticed."""
    for name in re.findall(r"(\S+): (?:survived|no tests)", _said("results")):
        yield mutant(name, _said("show", name))


def mutant(name: str, diff: str) -> Mutant:
    """The mutant of this name from its diff."""
    lines = [line for line in diff.splitlines() if not re.match(r"---|\+\+\+", line)]
    removed = tuple(line[1:].strip() for line in lines if line.startswith("-"))
    added = tuple(line[1:].strip() for line in lines if line.startswith("+"))
    return Mutant(re.sub(r"x_(\w+)__mutmut_\d+$", r"\1", name), removed, added)


def explained(text: str) -> Iterator[Mutant]:
    """The mutants in the file, whose blocks end with the reason why nothing can notice them."""
    for block in text.strip().split("\n\n"):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        if lines:
            removed = tuple(line[2:] for line in lines if line.startswith("- "))
            added = tuple(line[2:] for line in lines if line.startswith("+ "))
            yield Mutant(lines[0], removed, added)


def _said(*arguments: str) -> str:
    run = subprocess.run([*MUTMUT, *arguments], check=True, capture_output=True, text=True)
    return run.stdout


if __name__ == "__main__":
    sys.exit(main())
