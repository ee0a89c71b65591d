"""Which duplicate of the job a row of a ledger file means, as tables."""

from __future__ import annotations

import pytest

from worker.export.content import SHORTENED
from worker.model.errors import UsageError
from worker.model.restored import FileItem, Identity, Planned
from worker.restore.matching import could_be_named, could_become, match

ROW = FileItem(
    where="l.csv:2", line="3", identity=Identity("source", False, 1), name="Wave 1",
    whole_name="Wave 1", status="unknown", new_batch_id="", new_batch_status=None, created_at=None,
    settled_by=None, attempts=1, http_status=None, first_sent_at=None, last_sent_at=None,
)  # fmt: skip
FIRST = Planned(1, "Wave 1", "pending", 3)
SECOND = Planned(2, "{source_name}", "pending", 4)
UNNAMED = Planned(3, "", "pending", 5)


@pytest.mark.parametrize(
    ("named", "others", "lines_decide", "name", "found"),
    [
        ([FIRST], [], False, "Wave 1", FIRST),
        # The line decides only between several: rows may have moved since.
        ([SECOND], [], True, "Wave 1", SECOND),
        ([FIRST, SECOND], [], True, "Wave 1", FIRST),
        ([SECOND, UNNAMED], [], False, "Signs (Copy)", None),
        ([FIRST, UNNAMED], [], False, "Wave 1", FIRST),
        ([], [FIRST], False, "Wav", None),  # the job was edited since
        ([], [FIRST], False, f"Wave{SHORTENED}", FIRST),  # cut by the workbook
        ([], [FIRST, SECOND], False, "Wav", None),
        ([], [FIRST._replace(template="Wave 1, 2026-03-02")], False, "Wave 1, 2026-03-01", None),
        ([], [], False, "Wave 1", None),
        ([FIRST._replace(status="created")], [], False, "Wave 1", None),
    ],
)
def test_a_row_means_the_one_duplicate_that_it_can_mean(
    named: list[Planned],
    others: list[Planned],
    lines_decide: bool,
    name: str,
    found: Planned | None,
) -> None:
    row = ROW._replace(name=name, whole_name=None if name.endswith(SHORTENED) else name)
    if found is None:
        with pytest.raises(UsageError, match=r"l\.csv:2: (.*)") as raised:
            match(row, named, lambda: others, lambda: lines_decide)
        if "is not a duplicate" in raised.value.message:
            assert raised.value.hint == (
                "Nothing was restored. Use the job file, --date and --campaign of the run that"
                " wrote the file."
            )
    else:
        assert match(row, named, lambda: others, lambda: lines_decide) == found


def test_the_api_may_have_changed_the_name_of_a_batch() -> None:
    row = ROW._replace(name="Wav", whole_name="Wav", status="created")
    assert match(row, [], lambda: [FIRST], lambda: False) == FIRST
    with pytest.raises(UsageError, match="is not a duplicate of the job"):
        match(row, [], lambda: [FIRST, SECOND], lambda: False)


def test_a_person_may_have_assigned_a_batch_of_any_name() -> None:
    row = ROW._replace(name="Final A", status="created", settled_by="person")
    assert match(row, [], lambda: [FIRST], lambda: False) == FIRST


@pytest.mark.parametrize(
    ("template", "name", "could"),
    [
        ("Wave 1, 2026-03-01", "Wave 1, 2026-03-02", False),
        ("Wave 1, 2026-03-01", "Wave 1, 2026", True),  # cut
        ("Wave 1, 2026-03-01", "wave 1 2026-03-01 [2]", True),  # cleaned, and something added
        ("Wave 1, 2026-03-01", "Other", False),
        ("Größe 2026-03-01", "Gr??e 2026-03-01", True),  # transliterated
        ("Größe 2026-03-01", "Gr??e 2026", True),  # and cut
        ("Größe 2026-03-01", "Größe 2026-03-02", False),
        ("Größe 2026-03-01", "Gr??e 2026-03-02", False),
        ("Größe Montag", "Größe Dienstag", False),
        ("Größe Montag", "Gr??e Dienstag", False),
        ("Größe Montag", "Gr??e Mon", True),
        ("Größe Montag", "Gr??e", True),
        ("Größe Montag", "Tide Montag", False),
        ("Ärger", "Aerger", True),
        ("{source_name} 1", "anything 1", True),
        ("{source_name} 2026-03-01", "Signs 2026-03-02", False),
        ("{source_name} 2026-03-01", "Signs  2026/03/01", True),
        ("Wave {source_name} 1", "Wav", False),  # a digit is lacking
        ("Wave {source_name} 1", "Tide", False),
        ("Größe 1 2026-03-02 – alt", "Größe 1 2026-03-01 – alt", False),
        ("Größe 1 2026-03-01 – alt", "Gr??e 1 2026-03-01 ? alt", True),
        ("Größe 1 2026-03-01 – alt", "Gr??e 1 2026-03-01", False),  # cut before its end
        ("„2026-03-02“", "„2026-03-01“", False),
        ("„2026-03-01“", "2026-03-01", True),
        ("„12“", "„21“", False),
        ("„Montag“", "„Sonntag“", False),
        ("{source_name} Monday", "Signs Sunday", False),
        ("{source_name} Monday", "Signs Mon", True),  # cut
        ("{source_name} – Monday, 2", "Signs ? Monday 2", True),
        ("{source_name} für {source_name} am 1. März", "A f?r B am 1. M?rz", True),
        ("{source_name} für {source_name} am 1. März", "A f?r B am 2. M?rz", False),
        ("", "anything", True),
    ],
)
def test_an_api_may_cut_or_clean_a_name_but_not_give_it_another_date(
    template: str, name: str, could: bool
) -> None:
    assert could_become(template, name) is could


@pytest.mark.parametrize(
    ("template", "name", "could"),
    [
        ("", "anything", True),
        ("Row 1", "Row 1", True),
        ("Row 1", "Row 10", False),
        ("{source_name}, 1 of {copies}", "Signs, 1 of 12", True),
        ("{source_name}, 1 of {copies}", "Signs, 2 of 12", False),
        ("{{x}} {source_name}", "{x} y", True),
        ("{{x}} {source_name}", "x y", False),
        ("a.c", "abc", False),
        ("{source_name} 1", "two\nlines 1", True),
    ],
)
def test_names_match_with_what_is_filled_in_late_as_wildcards(
    template: str, name: str, could: bool
) -> None:
    assert could_be_named(template, name) is could
