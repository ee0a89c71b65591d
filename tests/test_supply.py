"""What is installed, built and packed: the pinned packages and nothing else, the same wheel each
time."""

from __future__ import annotations

import os
import re
import subprocess
import tomllib
import venv
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

HERE = Path(__file__).parents[1]
PROJECT = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]


def pinned(file: str) -> dict[str, Version]:
    """The versions in a constraints file, by package."""
    lines = (HERE / file).read_text("utf-8").splitlines()
    pins = [line.split("==") for line in lines if line and not line.startswith("#")]
    return {canonicalize_name(name): Version(version) for name, version in pins}


def required(extras: tuple[str, ...] = ()) -> set[str]:
    """Every package that the project needs, with what these need themselves."""
    found: set[str] = set()
    to_do = [("duplicate-batches", extras)]
    while to_do:
        package, wanted = to_do.pop()
        for text in distribution(package).requires or []:
            one = Requirement(text)
            applies = one.marker is None or any(
                one.marker.evaluate({"extra": extra}) for extra in (*wanted, "")
            )
            name = canonicalize_name(one.name)
            if applies and name not in found:
                found.add(name)
                to_do.append((name, tuple(one.extras)))
    return found


def test_every_package_that_is_needed_is_pinned() -> None:
    assert required(("dev",)) <= set(pinned("constraints.txt"))


def test_the_lowest_versions_are_those_that_the_project_allows() -> None:
    lowest, highest = pinned("constraints-lowest.txt"), pinned("constraints.txt")
    for text in PROJECT["dependencies"]:
        one = Requirement(text)
        (bound,) = one.specifier
        name = canonicalize_name(one.name)
        assert bound.operator == ">=", text
        assert lowest[name] == Version(bound.version), text
        assert highest[name] >= lowest[name], text


def test_the_dockerfile_follows_the_obvious_rules() -> None:
    """`hadolint Dockerfile` says more, if you have it."""
    text = (HERE / "Dockerfile").read_text("utf-8")
    steps = re.findall(r"^([A-Z]+) (.*)$", text, re.MULTILINE)
    names = [name for name, _ in steps]
    assert names[0] == "FROM"
    assert re.fullmatch(r"[a-z]+:[\w.-]*\d[\w.-]*", steps[0][1]), "the image has no version"
    assert names.count("ENTRYPOINT") == 1
    assert dict(steps)["ENTRYPOINT"].startswith("["), "a shell would swallow signals"
    assert "USER" in names[names.index("RUN") :]
    assert dict(steps)["USER"] not in ("root", "0")
    assert "ADD" not in names
    assert "-c /src/constraints.txt" in text
    assert "TOKEN=" not in text
    for source in re.findall(r"^COPY (.+) \S+$", text, re.MULTILINE):
        for one in source.split():
            assert (HERE / one).exists(), one
            assert f"!{one}" in (HERE / ".dockerignore").read_text("utf-8").splitlines()


@pytest.mark.prove
def test_two_builds_are_equal_and_bring_only_what_is_pinned(tmp_path: Path) -> None:
    built = subprocess.run(
        ["make", "--no-print-directory", "wheel", f"WHEELS={tmp_path}"],
        cwd=HERE, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = tmp_path.glob("*.whl")

    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip: list[str | Path] = [python, "-m", "pip", "--disable-pip-version-check"]
    there = set(_frozen(pip))
    constraints = HERE / "constraints.txt"
    subprocess.run([*pip, "install", "--quiet", "-c", constraints, wheel], check=True)
    added = {name: version for name, version in _frozen(pip).items() if name not in there}

    assert set(added) == required() | {"duplicate-batches"}
    del added["duplicate-batches"]
    pins = pinned("constraints.txt")
    assert {name: pins[name] for name in added} == added


def _frozen(pip: list[str | Path]) -> dict[str, Version]:
    """What is installed, by package."""
    listed = subprocess.run(
        [*pip, "list", "--format", "freeze"], capture_output=True, text=True, check=True
    ).stdout
    pairs = [line.split("==") for line in listed.splitlines()]
    return {canonicalize_name(name): Version(version) for name, version in pairs}
