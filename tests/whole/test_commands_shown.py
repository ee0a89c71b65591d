"""Every command that a report and a workbook show runs as it is: in a shell, in another folder,
whatever the job's path is called."""

from __future__ import annotations

import re
import shlex
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from html import unescape
from pathlib import Path

import pytest

from tests.support.command import PROGRAM, command, environment, read_ledger, source_id, write_job
from tests.support.sandbox_thread import SandboxThread
from tests.support.systems import needs_bash
from tests.support.workbooks import opened_by_another
from tests.whole.conftest import Place
from worker.sandbox.options import SandboxOptions

pytestmark = [pytest.mark.prove, needs_bash]

CALLED = shlex.join(PROGRAM)
"""How the tests call the program, and so what it calls itself."""

HURRY = {
    "DUPLICATE_BATCHES_SETTLE_AFTER": "0.1", "DUPLICATE_BATCHES_GIVE_UP_AFTER": "1",
    "DUPLICATE_BATCHES_RATE": "unlimited", "DUPLICATE_BATCHES_TIMEOUT": "2",
    "DUPLICATE_BATCHES_YES": "true",
}  # fmt: skip


def shown(report: Path, workbook: Path) -> list[str]:
    """Every command that the two files show, each once."""
    copied = re.findall(r'data-copy="([^"]*)"', report.read_text("utf-8"))
    lines = [line for line in map(unescape, copied) if line.startswith(f"{CALLED} ")]
    cells = [
        str(cell) for values in opened_by_another(workbook)["Summary"].values for cell in values
    ]
    above = ""
    for cell in cells:
        if cell.startswith(f"{CALLED} "):
            above = cell
            lines.append(cell)
        elif cell.startswith("--"):  # an option for the command above it
            lines.append(f"{above} {cell}")
    return list(dict.fromkeys(lines))


class Shell:
    """A shell in an empty folder of its own."""

    def __init__(self, folder: Path, environ: dict[str, str]) -> None:
        self.folder = folder
        folder.mkdir()
        self._environ = environ | HURRY

    def __call__(self, line: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", line],
            cwd=self.folder,
            env=self._environ,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
            timeout=120,  # a restored row is awaited for a minute
        )


HOW: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "defaults": ("plain", "", ()),
    "options": (
        'my "waves" & it\'s $HOME `x`',
        "",
        (
            "--database",
            "d b/it's.db",
            "--campaign",
            "mine {date}",
            "--ledger",
            "out/it's {campaign}.xlsx",
        ),
    ),
    "config": (
        "naïve 漢 #1",
        'report = true\ndatabase = "own db.db"\ncampaign = "from the file"\n',
        (),
    ),
}


@pytest.fixture
def bad(tmp_path: Path) -> Iterator[Callable[[str], tuple[Place, list[str], Path]]]:
    """A bad night: some created, some refused, some unknown with a candidate, some without, and an
    end before all was sent. The place, what is shown of it, and the database."""
    options = SandboxOptions(
        latency=0.0, faults={"drop-answer": 0.4, "refuse": 0.2, "list-500": 1.0}, seed=4
    )
    with SandboxThread(options) as server:

        def make(how: str) -> tuple[Place, list[str], Path]:
            name, text, given = HOW[how]
            folder = tmp_path / name
            folder.mkdir()
            place = Place(folder, server)
            if text:
                (folder / "config.toml").write_text(text, "utf-8")
            place.job(
                *({"batch_id": source_id(n % 3), "name": f"Row {n}"} for n in range(16)),
                name="my job.csv",
            )
            if "--ledger" not in given:
                given = (*given, "--ledger", "it's.xlsx")
            arguments = ["run", "my job.csv", *given, "--yes", "--report", "--limit", 12]
            ended = command(arguments, folder, place.environ | HURRY)
            assert ended.code == 1, ended.err
            (database,) = (path for path in folder.rglob("*.db") if "sandbox" not in path.name)
            _name_candidates(database, place)
            for again in ("ledger", "report"):
                assert (
                    command([again, "my job.csv", *given], folder, place.environ | HURRY).code == 0
                )
            (report,), (workbook,) = folder.rglob("*.html"), folder.rglob("*.xlsx")
            return place, shown(report, workbook), database

        yield make


def _name_candidates(database: Path, place: Place) -> None:
    """Let what is known of every other unknown row name the batch that was made for it."""
    made = {str(copy["name"]): str(copy["id"]) for copy in place.world.duplicates}
    with closing(sqlite3.connect(database)) as connection, connection:
        found = connection.execute(
            "SELECT id, name FROM items WHERE status = 'unknown' ORDER BY id"
        ).fetchall()
        assert len(found) > 2
        for item, name in found[::2]:
            connection.execute(
                "UPDATE items SET error = 'several batches fit', reason = 'several_fit',"
                " candidates = 1 WHERE id = ?",
                (item,),
            )
            connection.execute(
                "INSERT INTO candidates (item_id, batch_id, place) VALUES (?, ?, 0)",
                (item, made[name]),
            )


@pytest.mark.parametrize("how", HOW)
def test_every_command_of_a_bad_night_runs_as_it_is(
    how: str, bad: Callable[[str], tuple[Place, list[str], Path]], tmp_path: Path
) -> None:
    place, lines, database = bad(how)
    kinds: dict[str, list[str]] = {}
    for line in lines:
        kind = re.sub(
            rf"^{re.escape(CALLED)} (\w+) .*?( --(assign|absent|decisions|retry-failed)\b.*)?$",
            r"\1 \3",
            line,
        )
        kinds.setdefault(kind, []).append(line)
    assert set(kinds) == {
        "run ",
        "run retry-failed",
        "settle ",
        "settle assign",
        "settle absent",
        "settle decisions",
        "report ",
    }
    lines = [
        line for some in kinds.values() for line in some[:2]
    ]  # those of one kind differ in their item alone
    shell = Shell(tmp_path / "elsewhere", place.environ)
    before = shutil.copytree(place.folder, tmp_path / "before")
    for line in sorted(
        lines, key=lambda line: " run " in line
    ):  # a run makes what the others are about
        sheet = re.search(r" --decisions (\S+-decisions\.csv|'.*-decisions\.csv')$", line)
        if sheet is not None:  # the report's download
            written = shell(line.replace(" --decisions ", " --proposals "))
            assert written.returncode == 1, (line, written.stderr)
        ended = shell(line)
        if sheet is not None:
            (shell.folder / shlex.split(sheet[1])[0]).unlink()
        assert ended.returncode in (0, 1), (line, ended.stderr)
        assert "Traceback" not in ended.stderr
        if " run " not in line:
            shutil.rmtree(place.folder)
            shutil.copytree(before, place.folder)
    assert list(shell.folder.iterdir()) == []
    assert len(list(place.folder.rglob("*.db"))) == 1
    assert len(list(place.folder.rglob("*.xlsx"))) == 1
    names = Counter(str(copy["name"]) for copy in place.world.duplicates)
    assert max(names.values()) == 1, "nothing is made twice"
    with closing(sqlite3.connect(database)) as connection:
        left = connection.execute("SELECT count(*) FROM items WHERE status = 'pending'").fetchone()
    assert left == (0,), "the runs sent what was pending"


def test_what_a_summary_without_a_terminal_names_runs_from_anywhere(
    place: Place, tmp_path: Path
) -> None:
    folder = place.folder / "my waves"
    folder.mkdir()
    (folder / "own.toml").write_text('campaign = "from the file"\n', "utf-8")
    place.job({"batch_id": source_id(1), "name": "Row {n}", "copies": 5}, name="my waves/job.csv")
    arguments = [
        "run",
        "job.csv",
        "--config",
        "own.toml",
        "--database",
        "own.db",
        "--log-file",
        "night.jsonl",
    ]
    paced = [
        *arguments,
        "--rate",
        "1200/min",
        "--ledger",
        "out/{campaign}.csv",
        "--limit",
        2,
        "--yes",
    ]
    ended = command(paced, folder, place.environ)
    assert ended.code == 1, ended.err
    (line,) = (line.strip() for line in ended.out.splitlines() if line.strip().startswith(CALLED))
    assert "--limit" not in line
    assert "--rate 20/s" in line
    shell = Shell(tmp_path / "elsewhere", place.environ)
    again = shell(f"{line} --yes")
    assert again.returncode == 0, (line, again.stderr)
    assert place.world.made == 5
    assert list(shell.folder.iterdir()) == []
    assert [row["status"] for row in read_ledger(folder / "out" / "from the file.csv")] == [
        "created"
    ] * 5
    assert (folder / "night.jsonl").read_text("utf-8").count('"run.started"') == 2


def test_every_command_of_a_rehearsal_stays_in_the_sandbox(tmp_path: Path) -> None:
    folder = tmp_path / "it's here"
    folder.mkdir()
    write_job(folder / "job.csv", [{"batch_id": source_id(1), "copies": 5}])
    environ = environment(folder)
    arguments = [
        "run",
        "job.csv",
        "--sandbox",
        "--yes",
        "--limit",
        2,
        "--report",
        "--ledger",
        "wave.xlsx",
    ]
    assert command(arguments, folder, environ | HURRY).code == 1
    lines = shown(folder / "wave.html", folder / "wave.xlsx")
    assert any(" run " in line for line in lines)
    shell = Shell(tmp_path / "elsewhere", environ)
    for line in lines:
        ended = shell(line)
        assert ended.returncode == 0, (line, ended.stderr)
    assert [path.name for path in folder.rglob("*.db")] == ["sandbox.db"]
    assert [row["status"] for row in _rows(folder / "wave.xlsx")] == ["created"] * 5
    assert list(shell.folder.iterdir()) == []


def test_a_restored_rehearsal_is_of_the_sandbox_and_continues_there_alone(tmp_path: Path) -> None:
    write_job(tmp_path / "job.csv", [{"batch_id": source_id(1), "copies": 5}])
    environ = environment(tmp_path, "http://127.0.0.1:9", "a-token") | HURRY
    assert (
        command(["run", "job.csv", "--sandbox", "--yes", "--limit", 2], tmp_path, environ).code == 1
    )
    ledgers = tmp_path / "ledgers"
    for path in ledgers.glob("sandbox.db*"):
        path.unlink()
    restored = command(
        ["ledger", "job.csv", "--restore", "ledgers/sandbox/job.csv", "--sandbox"],
        tmp_path,
        environ,
    )
    assert restored.code == 0, restored.err
    assert "2 duplicates created" in restored.out
    assert not (ledgers / "ledger.db").exists()
    with closing(sqlite3.connect(ledgers / "sandbox.db")) as connection:
        assert connection.execute("SELECT value FROM meta WHERE key = 'api_url'").fetchone() == (
            "the sandbox",
        )
        assert connection.execute("SELECT kind FROM runs").fetchall() == [("restore",)]
    (line,) = (line.strip() for line in restored.out.splitlines() if f"{CALLED} settle" in line)
    settled = Shell(tmp_path / "elsewhere", environ)(line)
    assert settled.returncode == 0, (line, settled.stdout, settled.stderr)
    real = command(
        ["run", "job.csv", "--yes", "--database", "ledgers/sandbox.db"], tmp_path, environ
    )
    assert real.code == 2
    assert "is for the sandbox" in real.err
    again = command(["run", "job.csv", "--sandbox", "--yes"], tmp_path, environ)
    assert again.code == 0, again.err


def _rows(path: Path) -> list[dict[str, object]]:
    header, *rows = opened_by_another(path)["Ledger"].iter_rows(values_only=True)
    return [dict(zip(map(str, header), row, strict=True)) for row in rows]
