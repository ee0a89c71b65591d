"""The pages themselves: the README is short, the index is complete, and every link leads
somewhere."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from tests.support.command import command, environment
from tests.support.pages import (
    HERE,
    INDEX,
    README,
    anchors,
    blocks,
    files_shown,
    links,
    pages,
    prose,
    text,
)
from worker import __version__

ALL = (*pages(), "CHANGELOG.md", "CONTRIBUTING.md")


def test_the_readme_has_at_most_200_lines() -> None:
    assert len(text(README).splitlines()) <= 200


def test_the_readme_begins_with_what_it_is_a_picture_of_the_report_and_two_commands() -> None:
    assert text(README).startswith("# duplicate-batches\n\n")
    first = text(README).split("\n## ")[0]
    assert re.findall(r"docs/images/report-[\w-]+\.png", first)
    assert blocks(README, "sh")[0].splitlines() == ["make demo", "make test"]


def test_the_index_has_every_page_once() -> None:
    listed = [page for page, _ in links(INDEX)]
    assert sorted(listed) == sorted({*pages()} - {INDEX})
    assert INDEX in {page for page, _ in links(README)}


@pytest.mark.parametrize("page", ALL)
def test_every_link_leads_to_a_file_and_a_heading(page: str) -> None:
    for target, anchor in links(page):
        assert (HERE / target).exists(), target
        if anchor:
            assert anchor in anchors(target), f"{target}#{anchor}"


def test_every_picture_is_on_a_page() -> None:
    shown = {target for page in pages() for target, _ in links(page)}
    pictures = {
        str(path.relative_to(HERE))
        for folder in ("images", "pace")
        for path in (HERE / "docs" / folder).iterdir()
    }
    assert pictures <= shown


@pytest.mark.parametrize("page", [*pages(), "CONTRIBUTING.md"])
def test_lines_are_at_most_120_characters_wide_except_in_tables_and_code(page: str) -> None:
    wide = [line for line in prose(page).splitlines() if len(line) > 120 and line[:1] != "|"]
    assert not wide


@pytest.mark.parametrize("page", ALL)
def test_every_file_of_jobs_that_is_named_exists(page: str) -> None:
    for name in re.findall(r"\bjobs/[\w.-]+\.\w+", text(page)):
        assert (HERE / name).is_file(), name


@pytest.mark.parametrize("page", pages())
def test_every_job_that_is_shown_is_a_good_one(page: str, tmp_path: Path) -> None:
    jobs = [
        (suffix, job)
        for suffix in ("csv", "yaml")
        for job in blocks(page, suffix)
        if job not in files_shown(page).values()
    ]
    for number, (suffix, job) in enumerate(jobs):
        name = f"job-{number}.{suffix}"
        (tmp_path / name).write_text(job, "utf-8")
        done = command(["check", name, "--sandbox", "--json"], tmp_path, environment(tmp_path))
        assert (done.code, done.summary["to_create"]) == (0, 12), done.err


def test_the_changelog_begins_with_this_version() -> None:
    first = re.findall(r"^## (\S+)", text("CHANGELOG.md"), re.MULTILINE)[0]
    project = tomllib.loads((HERE / "pyproject.toml").read_text("utf-8"))["project"]
    assert first == __version__ == project["version"]
