"""Reports to look at: of a good night, of a bad one, and of a ledger full of hostile words."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.support import nights
from tests.support.browser import CHROMIUM, Tab, browser
from tests.support.ledgers import (
    CAMPAIGN,
    LATER,
    WORKSPACE,
    claim,
    connection_of,
    ending,
    leave_undecided,
    look_up,
    opened,
    plan,
    record,
    source,
    uuid,
)
from worker.export.report.page import write_report
from worker.ledger import notifications, views
from worker.ledger.database import open_for_reading
from worker.ledger.store import Ledger
from worker.model.batch import Workspace
from worker.model.differences import Difference, DifferenceKind
from worker.model.records import Notification, NotificationKind, RunEnd


@dataclass(frozen=True)
class Made:
    """A database, and the report of one campaign of it."""

    database: Path
    file: Path
    campaign: str

    def make(self, **about: Any) -> None:
        with closing(open_for_reading(self.database)) as connection:
            number = views.campaign_id(connection, self.campaign)
            assert number is not None
            known = nights.about()._replace(**about)
            write_report(connection, number, self.campaign, self.file, known, nights.COMMANDS)

    @property
    def text(self) -> str:
        return self.file.read_text("utf-8")


def made(database: Path, campaign: str) -> Made:
    one = Made(database, database.with_name(f"{campaign}.html"), campaign)
    one.make()
    return one


@pytest.fixture(scope="session")
def good(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(nights.good_night(tmp_path_factory.mktemp("good"), copies=10), nights.CAMPAIGN)


@pytest.fixture(scope="session")
def bad(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return made(nights.bad_night(tmp_path_factory.mktemp("bad")), nights.CAMPAIGN)


FEWER = (Difference(DifferenceKind.FEWER_INSTRUCTIONS, 4, 5),)

HOSTILE = (
    "</script><script>document.title='owned'</script>",
    "<!--<script>alert(1)",
    '"><img src=x onerror="alert(2)">',
    "' autofocus onfocus='alert(3)",
    "{{ 7 * 7 }}{% raw %}",
    "=HYPERLINK(1)",
    "right \u202eto left\u202c, Arabic \u0627\u0644\u0639\u0631\u0628\u064a\u0629",
    "comma, \"quote\" and 'apostrophe'",
    "W" * 10_000,
    "javascript:alert(4)",
)


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Every hostile text as a name, as the API's words, as a candidate's name, as a batch's status,
    as a workspace's name, as a cell and as what went wrong with a notification; one copy differs
    from its source."""
    folder = tmp_path_factory.mktemp("hostile")
    with opened(folder, run_id="hostile") as ledger:
        quoted = [text.replace('"', '""') for text in HOSTILE]
        names = [
            f'{uuid(1)},"{text.replace("{", "{{").replace("}", "}}")}",3,"{text}"'
            for text in quoted
        ]
        plan(ledger, folder, "batch_id,name,copies,x_note", *names)
        look_up(ledger, source(1, HOSTILE[0]))
        ledger.name_workspaces([Workspace(WORKSPACE, HOSTILE[0])])
        for number, intent in enumerate(claim(ledger)):
            text = HOSTILE[number % len(HOSTILE)]
            match number % 3:
                case 0:
                    record(
                        ledger,
                        ending(
                            intent,
                            "created",
                            batch_status=text,
                            batch_name=intent.label,
                            differences=() if number else FEWER,
                        ),
                    )
                case 1:
                    record(
                        ledger,
                        ending(intent, "refused", error=f"HTTP 422: {text}", http_status=422),
                    )
                case _:
                    record(ledger, ending(intent, "unknown"))
                    leave_undecided(
                        ledger, intent.item_id, f"several batches fit {text}", uuid(0xA000 + number)
                    )
                    _sight(ledger, uuid(0xA000 + number), text)
        ledger.end_run(RunEnd(LATER, None, 1, 10, 30, 0))
        sent = [Notification(NotificationKind.METRICS, LATER, text) for text in HOSTILE]
        notifications.record(ledger, ["hostile"], sent)
    return made(folder / "ledger.db", CAMPAIGN)


def _sight(ledger: Ledger, batch_id: str, name: str) -> None:
    """Let a listing have shown this batch."""
    execute = connection_of(ledger).execute
    execute(
        "INSERT OR IGNORE INTO listings (number, run_id, workspace_id, left_at) VALUES (1, 1,"
        " 'w', '')"
    )
    execute(
        "INSERT INTO unowned_batches VALUES (?, 'w', 1, ?, '2026-03-01T12:00:07Z', 0.0, 'me',"
        " 'READY', '', '', '[]', 0, NULL, NULL)",
        (batch_id, name),
    )


@pytest.fixture(scope="module")
def chromium(good: Made, bad: Made, hostile: Made) -> Iterator[Browser]:
    """A browser for one module's tests. While it is open no other event loop can run here, so all
    nights are over before."""
    if CHROMIUM is None:
        pytest.skip("Chromium is not installed (Debian's package is called chromium)")
    with browser() as one:
        yield one


class Opener:
    """Opens reports, and sees at the end that none of them said or asked for anything."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.tabs: list[Tab] = []

    def __call__(self, report: Made, **how: bool | int) -> Tab:
        tab = Tab(self._browser, report.file, **how)  # type: ignore[arg-type]
        self.tabs.append(tab)
        return tab


@pytest.fixture
def opener(chromium: Browser) -> Iterator[Opener]:
    one = Opener(chromium)
    yield one
    for tab in one.tabs:
        tab.context.close()
        assert tab.said == []
        assert [
            url for url in tab.asked if not url.startswith(("file:", "blob:file:", "blob:null"))
        ] == []
        assert len([url for url in tab.asked if url.startswith("file:")]) == 1, (
            "the page alone is loaded"
        )
