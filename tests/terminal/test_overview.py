"""The table at the end of a command with several jobs."""

from __future__ import annotations

from typing import Any

from worker.terminal.overview import overview_text


def line(job: str, code: int, *counts: int, **more: object) -> dict[str, Any]:
    names = ("created", "failed", "unknown", "pending")
    known = {"counts": dict(zip(names, counts, strict=True)), "run_id": "r"} if counts else {}
    return {"job": job, "exit_code": code, "stopped_by": None, **known, **more}


LINES = [
    line("jobs/a.csv", 0, 1200, 0, 0, 0),
    line("jobs/b.yaml", 1, 3, 1, 0, 0),
    line("jobs/c.csv", 1, 3, 0, 0, 7, stopped_by="limit"),
    line("jobs/d\x1b.csv", 2, error="jobs/d.csv: there is no such file"),
    line("jobs/e.csv", 2, 0, 0, 0, 4, stopped_by="declined", error="nothing was created"),
    line("jobs/f.csv", 130, stopped_by="signal", error="not run, because ..."),
]


def test_each_job_has_a_row_with_its_counts_and_its_result() -> None:
    assert overview_text(LINES, None).splitlines() == [
        "job             created  failed  unknown  pending  result",
        "jobs/a.csv        1,200       0        0        0  complete",
        "jobs/b.yaml           3       1        0        0  incomplete",
        "jobs/c.csv            3       0        0        7  stopped: limit",
        r"jobs/d\x1b.csv        -       -        -        -  error, exit code 2",
        "jobs/e.csv            0       0        0        4  error, exit code 2",
        "jobs/f.csv            -       -        -        -  not run",
    ]


def test_in_a_narrow_window_names_of_jobs_lose_their_beginning() -> None:
    wide = [
        line(f"a/very/long/path/to/many/jobs/{'漢' * n}/wave.csv", 0, 1, 0, 0, 0) for n in (1, 9)
    ]
    rows = overview_text(wide, 64).splitlines()
    assert all(len(row) <= 64 for row in rows)
    assert all("…" in row and "wave.csv  " in row for row in rows[1:])


def test_a_check_says_how_many_it_would_create() -> None:
    rows = overview_text(
        [line("a", 0, 0, 0, 0, 3, to_create=3), line("b", 1, 0, 0, 0, 1, to_create=1)], None
    )
    assert [row.rpartition("  ")[2] for row in rows.splitlines()[1:]] == [
        "3 to create",
        "1 to create, with problems",
    ]
