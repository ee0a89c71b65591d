"""The file that is written, read without a browser."""

from __future__ import annotations

import base64
import csv
import hashlib
import html
import io
import json
from contextlib import closing
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from tests.export.report.conftest import HOSTILE, Made
from tests.support import nights
from tests.support.ledgers import connection_of
from worker.export.csv_format import cell, write_rows
from worker.export.proposals import batch_link
from worker.export.report import page
from worker.ledger import views
from worker.ledger.database import open_for_reading
from worker.ledger.rows import COLUMNS, extra_columns, ledger_rows
from worker.model.errors import UsageError


class Reader(HTMLParser):
    """Every element with its attributes, the text of scripts and styles, and whatever could load or
    run something."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.held: dict[str, list[str]] = {}
        self.said: list[str] = []
        self._within = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._within = (
                tag if tag == "style" or not dict(attrs).get("type") else str(dict(attrs)["id"])
            )
            self.held.setdefault(self._within, [])

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._within = ""

    def handle_data(self, data: str) -> None:
        if self._within:
            self.held[self._within].append(data)
        else:
            self.said.append(data)

    def json(self, name: str) -> Any:
        return json.loads("".join(self.held[name]))

    @property
    def visible_text(self) -> str:
        return " ".join(" ".join(self.said).split())


def ledger_csv(made: Made) -> str:
    """The ledger file's text."""
    with closing(open_for_reading(made.database)) as connection:
        number = views.campaign_id(connection, made.campaign)
        assert number is not None
        file = io.StringIO()
        rows = ledger_rows(connection, number, made.campaign)
        write_rows(file, rows, (*COLUMNS, *extra_columns(connection, number)))
    return file.getvalue()


def test_the_policy_lets_nothing_run_but_the_page_s_own_script_and_style(bad: Made) -> None:
    reader = Reader(bad.text)
    (policy,) = [
        a["content"] for _, a in reader.elements if a.get("http-equiv") == "Content-Security-Policy"
    ]
    assert policy is not None
    parts = dict(part.split(" ", 1) for part in policy.split("; "))
    assert parts["default-src"] == parts["base-uri"] == parts["form-action"] == "'none'"
    for name, directive in (("script", "script-src"), ("style", "style-src")):
        digest = base64.b64encode(
            hashlib.sha256("".join(reader.held[name]).encode()).digest()
        ).decode()
        assert parts[directive] == f"'sha256-{digest}'"
    assert set(parts) == {"default-src", "script-src", "style-src", "base-uri", "form-action"}


@pytest.mark.parametrize("night", ["good", "bad", "hostile"])
def test_nothing_in_the_page_could_load_or_run_anything(
    night: str, request: pytest.FixtureRequest
) -> None:
    reader = Reader(request.getfixturevalue(night).text)
    for tag, attributes in reader.elements:
        assert tag not in (
            "img",
            "iframe",
            "object",
            "embed",
            "link",
            "base",
            "form",
            "video",
            "audio",
        ), tag
        assert not any(
            name.startswith("on") or name in ("src", "style", "srcset") for name in attributes
        ), attributes
        assert (attributes.get("href") or "#").startswith("#")
    scripts = [attributes for tag, attributes in reader.elements if tag == "script"]
    data = [one["id"] for one in scripts if one.get("type") == "application/json"]
    sheet = [] if night == "good" else ["sheet-csv"]
    assert (data, len(scripts)) == ([*sheet, "rows", "lists", "about"], len(data) + 1)


def test_every_hostile_text_is_a_text(hostile: Made) -> None:
    reader = Reader(hostile.text)
    rows = reader.json("rows")
    assert {row[4] for row in rows} == set(HOSTILE)
    assert {row[-1] for row in rows} == set(HOSTILE)
    assert "\u202e" not in reader.visible_text, (
        "what would turn the words round is told by its number"
    )
    assert "\\u202e" in reader.visible_text
    script = "</script><script>document.title='owned'</script>"
    for text in (f"HTTP 422: {script}", f"Metrics file failed: {script}"):
        assert text in reader.visible_text


def test_the_headline_and_what_needs_a_person_stand_in_the_page_itself(bad: Made) -> None:
    reader = Reader(bad.text)
    visible_text = reader.visible_text
    copied = {
        attributes["data-copy"] for _, attributes in reader.elements if "data-copy" in attributes
    }
    with closing(open_for_reading(bad.database)) as connection:
        counts = views.counts(connection, 1)
        (first, *others) = [
            row for row in ledger_rows(connection, 1, bad.campaign) if row["status"] == "unknown"
        ]
        reasons = {
            row["error"]
            for row in ledger_rows(connection, 1, bad.campaign)
            if row["status"] == "failed"
        }
    assert counts.failed
    assert f"{counts.created:,} of {counts.total:,} duplicates created" in visible_text
    assert f"{counts.failed} were rejected by the API" in visible_text
    assert f"{counts.unknown} duplicates may already exist" in visible_text
    assert len(others) == counts.unknown - 1
    assert first["candidates"]
    assert nights.COMMANDS.settle() in visible_text
    for batch_id in first["candidates"]:
        assert nights.COMMANDS.assign(first["item"], batch_id) in copied
        assert f"--assign '#{first['item']}={batch_id}'" in visible_text
    assert nights.COMMANDS.absent(first["item"]) in copied
    assert f"--absent '#{first['item']}'" in visible_text
    assert f"line {first['line']}, copy {first['copy']} of 40" in visible_text
    assert "Same name, instructions, dataset and account" in visible_text
    assert "Another candidate fits as well" in visible_text
    assert nights.COMMANDS.retry() in visible_text
    assert reasons
    assert all(reason in visible_text for reason in reasons)


def test_it_says_what_it_is_and_when_the_run_was(bad: Made) -> None:
    reader = Reader(bad.text)
    assert "Duplicate batches: campaign spring-wave Run of 2026-03-02, 22:00 to 23:30 UTC" in (
        reader.visible_text
    )
    assert "This run and the runs before it" in reader.visible_text


def test_batches_are_linked_if_their_address_is_known(bad: Made, tmp_path: Path) -> None:
    links = {a["href"] for tag, a in Reader(bad.text).elements if tag == "a"}
    assert all((link or "").startswith("#") for link in links)
    linked = Made(bad.database, tmp_path / "linked.html", bad.campaign)
    linked.make(batch_url="https://example.org/batches/{id}")
    reader = Reader(linked.text)
    with closing(open_for_reading(bad.database)) as connection:
        rows = list(ledger_rows(connection, 1, bad.campaign, created=False))
    ids = {id for row in rows for id in row["candidates"]}
    assert ids
    found = [
        a for tag, a in reader.elements if tag == "a" and not (a["href"] or "").startswith("#")
    ]
    assert {f"https://example.org/batches/{id}" for id in ids} <= {a["href"] for a in found}
    assert {a["rel"] for a in found} == {"noopener noreferrer"}
    assert reader.json("about")["batch_url"] == "https://example.org/batches/{id}"
    linked.make(batch_url="https://example.org/batches/{id}", sandbox=True)
    assert Reader(linked.text).json("about")["batch_url"] is None, "the sandbox has no addresses"


def test_an_id_in_an_address_is_quoted() -> None:
    link = batch_link("https://x.org/?b={id}&c={id}", '"/../{id}')
    assert link == "https://x.org/?b=%22%2F..%2F%7Bid%7D&c=%22%2F..%2F%7Bid%7D"
    assert batch_link(None, "1") is None


def test_a_good_night_needs_nobody(good: Made) -> None:
    visible_text = Reader(good.text).visible_text
    assert "All 480 duplicates created" in visible_text
    assert "Nothing. There is nothing to decide and nothing to send." in visible_text
    assert "--assign" not in visible_text


@pytest.mark.parametrize("night", ["good", "bad", "hostile"])
def test_its_rows_are_the_ledger_file_s(night: str, request: pytest.FixtureRequest) -> None:
    made: Made = request.getfixturevalue(night)
    reader = Reader(made.text)
    lists, columns = reader.json("lists"), reader.json("about")["columns"]
    expected = list(csv.reader(io.StringIO(ledger_csv(made))))
    assert columns == expected[0]
    rows = sorted(reader.json("rows"), key=lambda row: (row[1], row[2]))
    assert len(rows) == len(expected) - 1
    for row, wanted in zip(rows, expected[1:], strict=True):
        name, batch, error = row[4], row[7], row[13]
        assert [str(row[1]), lists["sources"][row[3]][0], lists["texts"][row[6]], batch or ""] == [
            wanted[0], wanted[1], wanted[5], wanted[6],
        ]  # fmt: skip
        assert wanted[2] == cell(name)
        assert wanted[12] == cell(None if error is None else lists["texts"][error])


def test_its_rows_have_the_candidates_that_the_database_has(bad: Made) -> None:
    with closing(open_for_reading(bad.database)) as reader:
        rows = list(ledger_rows(reader, 1, bad.campaign))
    expected = {str(row["item"]): row["candidates"] for row in rows if row["candidates"]}
    assert expected
    assert Reader(bad.text).json("lists")["candidates"] == expected


def test_plots_say_in_text_what_they_show(bad: Made) -> None:
    plots = [a for tag, a in Reader(bad.text).elements if tag == "svg" and "aria-hidden" not in a]
    labels = [a["aria-label"] or "" for a in plots]
    assert len(labels) == 5
    assert any("at most 0.5" in label and "too many requests" in label for label in labels)
    assert any("duplicates existed at the beginning" in label for label in labels)
    assert any("95 percent less than" in label for label in labels)


def test_pauses_are_reported_with_their_reasons(bad: Made) -> None:
    with closing(connection_of(open_for_reading(bad.database))) as connection:
        kept = connection.execute(
            "SELECT DISTINCT why FROM rate_changes WHERE wait_s IS NOT NULL"
        ).fetchall()
        recovered = connection.execute(
            "SELECT count(*) FROM rate_changes WHERE wait_s IS NULL"
        ).fetchone()[0]
    assert "the API said 'too many requests'" in {row["why"] for row in kept}
    assert recovered
    page = html.unescape(bad.text)
    assert all(row["why"] in page for row in kept)


def test_every_run_is_reported_and_how_it_ended(bad: Made) -> None:
    visible_text = Reader(bad.text).visible_text
    for run, ended in (
        ("run-1", "--limit was reached"),
        ("run-2", "--max-duration was reached"),
        ("run-3", "finished"),
    ):
        assert run in visible_text
        assert ended in visible_text


def test_what_is_too_much_is_left_out_and_told_and_what_needs_a_person_is_kept(
    bad: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "ROWS", 500)
    few = Made(bad.database, tmp_path / "few.html", bad.campaign)
    few.make()
    reader = Reader(few.text)
    rows, texts = reader.json("rows"), reader.json("lists")["texts"]
    assert len(rows) == 500
    assert "1,420 of 1,920 rows are not in this page" in reader.visible_text
    with closing(open_for_reading(bad.database)) as connection:
        counts = views.counts(connection, 1)
    assert sum(texts[row[6]] != "created" for row in rows) == counts.total - counts.created


def test_long_names_are_bounded_in_all(
    hostile: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(page, "BYTES", 15_000)
    few = Made(hostile.database, tmp_path / "few.html", hostile.campaign)
    few.make()
    assert 0 < len(Reader(few.text).json("rows")) < 30
    assert "rows are not in this page" in Reader(few.text).visible_text


@pytest.mark.parametrize("there", ["file", "folder", "link"])
def test_what_is_no_report_is_left_as_it_is(bad: Made, tmp_path: Path, there: str) -> None:
    path = tmp_path / "x.html"
    match there:
        case "file":
            path.write_text("<!doctype html><title>mine</title>", "utf-8")
        case "folder":
            path.mkdir()
        case _:
            path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"x\.html"):
        Made(bad.database, path, bad.campaign).make()
    assert there != "file" or path.read_text("utf-8") == "<!doctype html><title>mine</title>"


def test_a_report_is_replaced_by_the_next(bad: Made, tmp_path: Path) -> None:
    again = Made(bad.database, tmp_path / "x.html", bad.campaign)
    again.make()
    first = again.text
    again.make()
    assert again.text == first
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]
