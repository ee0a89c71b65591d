"""`ledger --format job`: a job of the chosen rows that runs as it is and makes exactly those
duplicates."""

from __future__ import annotations

import csv
import io
from collections import Counter

import pytest

from tests.support.command import source_id
from tests.support.workbooks import row
from tests.whole.conftest import Place
from worker.export.job_file import write_job
from worker.model.errors import UsageError

HOSTILE = (
    "=1+1",
    "+1",
    "-1",
    "@a",
    "'quoted",
    '"quoted"',
    "a,b;c",
    "# no comment",
    "{{braces}} {{n}}",
    "%d",
    "naïve 漢😀",
    "<r>x</r>",
    "\u202eright to left",
    "new",
    "-",
    "\\n",
    "null",
    "007",
)


def made(place: Place) -> Counter[tuple[str, str, bool]]:
    """What exists on the server: source, name, and whether it has its source's data."""
    return Counter(
        (str(copy["source_batch_id"]), str(copy["name"]), bool(copy["datasets"]))
        for copy in place.world.duplicates
    )


def again(place: Place, *choice: str) -> Counter[tuple[str, str, bool]]:
    """What a run of the printed job makes."""
    printed = place.command("ledger", "job.csv", "--format", "job", *choice)
    assert printed.code == 0, printed.err
    (place.folder / "again.csv").write_text(printed.out, encoding="utf-8", newline="")
    before = made(place)
    ended = place.command("run", "again.csv", "--rate", "unlimited", "--yes", "--allow-existing")
    assert ended.code == 0, ended.err
    return made(place) - before


def test_hostile_names_new_datasets_and_own_columns_are_created_again_as_they_were(
    place: Place,
) -> None:
    place.job(
        *(
            {
                "batch_id": source_id(n % 3),
                "name": name,
                "upload_new_dataset": n % 2,
                "copies": 1 + n % 3,
                "x_a": name,
            }
            for n, name in enumerate(HOSTILE)
        ),
        {"batch_id": source_id(1), "name": "", "copies": 2},
        {"batch_id": source_id(1), "name": "{n:03} of {copies} of {source_name}", "copies": 3},
    )
    assert place.run().code == 0
    first = made(place)
    own = [(one["name"], one["x_a"]) for one in place.ledger()]
    assert again(place) == first
    assert Counter((one["name"], one["x_a"]) for one in place.ledger("again")) == Counter(own)


@pytest.mark.parametrize(
    "name",
    [
        "  spaced  ",
        "two\nlines",
        "a\ttab",
        "{braces} {copies}",
        "{",
        "cafe\u0301",
        "\x1b[31m",
        "=1+1",
        "'",
    ],
)
def test_a_source_s_name_may_hold_anything(place: Place, name: str) -> None:
    place.job(
        {"batch_id": source_id(1), "name": "{source_name}", "copies": 2},
        {"batch_id": source_id(1), "name": "{n} of {source_name}", "copies": 2},
    )
    source = place.world.find(source_id(1))
    assert source is not None
    source.name = name
    assert place.run().code == 0
    first = made(place)
    assert again(place) == first


def test_rows_that_were_never_sent_are_asked_for_as_the_job_would_have(place: Place) -> None:
    place.job(
        {"batch_id": source_id(1), "name": "{n} of {copies} of {source_name}, {{x}}", "copies": 4}
    )
    place.run("--limit", 1)
    assert sum(again(place, "--status", "pending").values()) == 3
    assert len(made(place)) == 4, "each name is there once"


def test_rows_of_one_name_are_one_row_with_the_first_one_s_cells(place: Place) -> None:
    source = place.world.find(source_id(1))
    assert source is not None
    source.name = "Same"
    place.job(
        {"batch_id": source_id(1), "name": "Same", "copies": 2, "x_a": "first"},
        {"batch_id": source_id(1), "name": "{source_name}", "copies": 3, "x_a": "second"},
    )
    assert place.run().code == 0
    first = made(place)
    assert again(place) == first
    (only,) = csv.DictReader(
        io.StringIO((place.folder / "again.csv").read_text().split("\n", 1)[1])
    )
    assert (only["copies"], only["x_a"]) == ("5", "first")


def test_cells_of_a_yaml_job_that_no_csv_can_hold_do_not_spoil_it(place: Place) -> None:
    (place.folder / "job.yaml").write_text(
        f'- batch_id: {source_id(1)}\n  name: a\n  x_a: "line\\r\\nline\\0 # \\" , ;"\n',
        encoding="utf-8",
    )
    place.world.find(source_id(1))
    assert place.command("run", "job.yaml", "--yes").code == 0
    printed = place.command("ledger", "job.yaml", "--format", "job").out
    (place.folder / "again.csv").write_text(printed, encoding="utf-8", newline="")
    assert place.command("run", "again.csv", "--yes", "--allow-existing").code == 0
    assert place.world.made == 2


def test_more_of_one_name_than_a_job_can_ask_for_is_refused() -> None:
    rows = [row(n, job_name="Same") for n in range(10_001)]
    write_job(io.StringIO(), rows[1:], ())
    file = io.StringIO()
    with pytest.raises(UsageError, match="more than 10,000 of these rows"):
        write_job(file, rows, ())
    assert file.getvalue() == "", "not even half a job is printed"
