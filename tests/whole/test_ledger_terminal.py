"""`ledger` for a person at a terminal: the table, its colors, the pager; and for scripts that read
only a part."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, source_id
from tests.support.marks import few
from tests.whole.conftest import Place

if sys.platform == "win32":
    pytest.skip("needs a pseudo-terminal", allow_module_level=True)

from tests.whole.test_terminal import Terminal, open_terminal


def job(place: Place, copies: int = 3) -> None:
    place.job({"batch_id": source_id(1), "name": "Row {n} " + "long " * 20, "copies": copies})
    place.run("--limit", 2)


def ended(terminal: Terminal) -> str:
    assert terminal.end() == 0, terminal.seen
    assert "Traceback" not in terminal.seen
    assert "duplicate-batches:" not in terminal.seen
    return terminal.seen


def test_a_table_fits_the_window_and_is_all_there(place: Place) -> None:
    job(place)
    shown = ended(open_terminal(place, "ledger", "job.csv", "--format", "table"))
    assert shown.count("created") == 2
    assert shown.count("pending") == 1
    assert all(str(copy["id"]) in shown for copy in place.world.duplicates)
    assert all(len(line) <= 100 for line in shown.splitlines())


@pytest.mark.parametrize(
    "choice",
    [("--status", "created"), ("--source", source_id(1)), ("--all",), ("--since", "2020-01-01")],
)
def test_a_choice_alone_prints(place: Place, choice: tuple[str, ...]) -> None:
    job(place)
    before = (place.folder / "ledgers" / "job.csv").stat().st_mtime_ns
    assert "new batch, or what is wrong" in ended(
        open_terminal(place, "ledger", "job.csv", *choice)
    )
    assert "new batch, or what is wrong" in place.command("ledger", "job.csv", *choice).out
    assert (place.folder / "ledgers" / "job.csv").stat().st_mtime_ns == before


def test_statuses_are_in_color_through_a_pager_and_plain_in_a_file(
    place: Place, tmp_path: Path
) -> None:
    job(place)
    kept = tmp_path / "kept"
    pager = open_terminal(
        with_pager(place, f"tee {kept}"), "ledger", "job.csv", "--format", "table"
    )
    ended(pager)
    assert "\x1b[32mcreated" in kept.read_text()
    assert "\x1b" not in place.command("ledger", "job.csv", "--format", "table").out


def with_pager(place: Place, pager: str) -> Place:
    """The same place for a person who has this pager."""

    class WithPager(Place):
        @property
        def environ(self) -> dict[str, str]:
            return super().environ | {"PAGER": pager}

    return WithPager(place.folder, place.server)


@pytest.mark.parametrize("arguments", [("ledger", "job.csv", "--format", "table"), ("ledger",)])
def test_a_long_table_goes_through_the_person_s_pager(
    place: Place, arguments: tuple[str, ...]
) -> None:
    job(place)
    shown = ended(open_terminal(with_pager(place, "sed s/^/paged:/"), *arguments))
    assert "paged:" in shown
    assert not [line for line in shown.splitlines() if line and not line.startswith("paged:")]


@pytest.mark.parametrize(
    "pager",
    few(
        ["head -n 1", "true", "false", "no-such-pager", "sh -c 'exit 3'"],
        "head -n 1",
        "no-such-pager",
    ),
)
def test_a_pager_that_quits_early_or_is_not_there_ends_nothing(place: Place, pager: str) -> None:
    job(place, 3000)
    shown = ended(open_terminal(with_pager(place, pager), "ledger", "job.csv", "--format", "table"))
    assert (shown.count("Row") == 3000) is (pager == "no-such-pager")


def test_less_is_left_with_q_and_one_screen_does_not_wait(place: Place) -> None:
    job(place, 300)
    terminal = open_terminal(place, "ledger", "job.csv", "--format", "table")
    terminal.expect("Row 20 ")
    terminal.type("q")
    assert "Row 300 " not in ended(terminal)
    assert "Row 2 " in ended(open_terminal(place, "ledger", "job.csv", "--status", "created"))


def test_ctrl_c_in_a_pager_is_the_pager_s(place: Place) -> None:
    job(place, 300)
    terminal = open_terminal(place, "ledger", "job.csv", "--format", "table")
    terminal.expect("Row 20 ")
    terminal.type("\x03")
    for _ in range(100):  # a terminal drops what is typed while it handles Ctrl-C
        if terminal.process.poll() is None:
            terminal.type("q")
            terminal._read(0.2)
    assert "interrupted" not in ended(terminal)


def test_a_workbook_is_not_written_to_a_terminal(place: Place) -> None:
    job(place)
    terminal = open_terminal(place, "ledger", "job.csv", "--format", "xlsx")
    assert terminal.end() == 2
    assert "--format xlsx: a terminal cannot show a workbook" in terminal.seen
    assert "> FILE.xlsx" in terminal.seen
    assert "PK" not in terminal.seen


@pytest.mark.parametrize("form", few(["csv", "json", "job", "xlsx", "table"], "table", "xlsx"))
def test_a_reader_that_leaves_early_is_no_error(place: Place, form: str) -> None:
    job(place, 3000)
    reader, writer = os.pipe()
    process = subprocess.Popen(
        [*PROGRAM, "ledger", "job.csv", "--format", form],
        cwd=place.folder,
        env=place.environ,
        stdin=subprocess.DEVNULL,
        stdout=writer,
        stderr=subprocess.PIPE,
    )
    os.close(writer)
    os.read(reader, 10)
    os.close(reader)
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
@pytest.mark.parametrize("form", few(["csv", "json", "job", "xlsx"], "csv", "xlsx"))
def test_what_cannot_be_printed_is_reported(place: Place, form: str) -> None:
    job(place, 300)
    with Path("/dev/full").open("wb") as full:
        process = subprocess.run(
            [*PROGRAM, "ledger", "job.csv", "--format", form],
            cwd=place.folder,
            env=place.environ,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
            text=True,
        )
    assert process.returncode == 1
    assert (
        process.stderr
        == "duplicate-batches: standard output cannot be written: No space left on device\n"
    )


@pytest.mark.parametrize("form", few(["csv", "json", "job"], "csv"))
def test_what_is_printed_is_utf_8_in_any_locale(place: Place, form: str) -> None:
    place.job({"batch_id": source_id(1), "name": "naïve 漢😀"})
    place.run()
    process = subprocess.run(
        [*PROGRAM, "ledger", "job.csv", "--format", form],
        cwd=place.folder,
        env=place.environ | {"PYTHONIOENCODING": "latin-1"},
        stdout=subprocess.PIPE,
        check=True,
    )
    assert "naïve 漢😀" in process.stdout.decode("utf-8")
