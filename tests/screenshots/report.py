"""Makes the README's pictures of the report: `python -m tests.screenshots.report`. From fixed
seeds, so that the same report looks the same; it needs Debian's package `chromium`."""

from __future__ import annotations

import sys
import tempfile
from contextlib import closing
from pathlib import Path

from playwright.sync_api import Page

from tests.support import nights
from tests.support.browser import CHROMIUM, Tab, browser
from worker.export.report.page import write_report
from worker.ledger import views
from worker.ledger.database import open_for_reading

IMAGES = Path(__file__).parents[2] / "docs" / "images"


def main() -> None:
    """Make them all."""
    if CHROMIUM is None:
        raise SystemExit("Chromium is not installed (Debian's package is called chromium)")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        good = report(nights.good_night(made(folder / "good")))
        bad = report(nights.bad_night(made(folder / "bad")))
        with browser() as one:
            take(Tab(one, good).page, "report-light.png", height=1150)
            take(Tab(one, good, dark=True).page, "report-dark.png", "#timeline", height=980)
            take(Tab(one, bad).page, "report-bad-night.png", height=1270)
            table = Tab(one, bad).page
            table.locator("#search").fill("spain")
            table.locator("[data-chip=failed]").click()
            table.locator("[data-chip=unknown]").click()
            table.locator("[data-row]").last.click()
            take(table, "report-table.png", "#copies", height=1060)
            take(Tab(one, bad, width=390).page, "report-narrow.png", height=1150)


def made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def report(database: Path) -> Path:
    """The report of a night."""
    path = database.with_name("report.html")
    with closing(open_for_reading(database)) as connection:
        number = views.campaign_id(connection, nights.CAMPAIGN)
        assert number is not None
        write_report(
            connection,
            number,
            nights.CAMPAIGN,
            path,
            nights.about()._replace(batch_url="https://example.org/batches/{id}"),
            nights.COMMANDS,
        )
    return path


def take(page: Page, name: str, section: str = "", *, height: int) -> None:
    """A picture of the page from its beginning, or from a section on, `height` pixels high."""
    width = page.viewport_size["width"] if page.viewport_size else 1280
    page.set_viewport_size({"width": width, "height": height})
    page.evaluate(
        "section => section ? document.querySelector(section).scrollIntoView() : scrollTo(0, 0)",
        section,
    )
    page.evaluate("document.activeElement.blur()")
    path = IMAGES / name
    page.screenshot(path=path)
    sys.stdout.write(f"{path.relative_to(IMAGES.parents[1])} {path.stat().st_size // 1024} KB\n")


if __name__ == "__main__":
    main()
