"""The report in a real browser. `opener` sees for each of these that the page says nothing on the
console, asks for nothing, and that no hostile text runs."""

from __future__ import annotations

import re
from contextlib import closing
from itertools import pairwise
from pathlib import Path

import pytest
from axe_playwright_python.base import AXE_FILE_PATH
from playwright.sync_api import Page, expect

from tests.export.report.conftest import HOSTILE, Made, Opener
from tests.export.report.test_page import ledger_csv
from tests.support.browser import Tab
from worker.export import decision_sheet
from worker.export.proposals import sheet_rows
from worker.ledger import views
from worker.ledger.database import open_for_reading
from worker.ledger.proposals import undecided


def shown(tab: Tab) -> str:
    return tab.page.locator("#shown").inner_text()


def names(tab: Tab) -> list[str]:
    return tab.texts("#table td.name-cell")


def lines(tab: Tab) -> list[str]:
    return tab.texts("#table [data-row]")


def download(tab: Tab, to: Path) -> str:
    with tab.page.expect_download() as waiting:
        tab.page.get_by_role("button", name="Download CSV").click()
    waiting.value.save_as(to)
    return to.read_text("utf-8")


def clipboard(page: Page) -> str:
    expect(page.locator("#said")).to_have_text("Copied")
    return str(page.evaluate("navigator.clipboard.readText()"))


def test_it_shows_the_counts(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    expected: dict[str, int] = {}
    for line in ledger_csv(bad).splitlines()[1:]:
        status = re.findall(r",(created|failed|unknown|pending),", line)[0]
        expected[status] = expected.get(status, 0) + 1
    counts = [int(text.replace(",", "")) for text in tab.texts(".counts strong")]
    assert counts == [expected[status] for status in ("created", "failed", "unknown", "pending")]
    chips = [int(text.split()[-1].replace(",", "")) for text in tab.texts("#statuses .chip")]
    assert chips == counts
    assert shown(tab) == "All 1,920 rows of 48 sources"


def test_sources_open_and_close(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    folds = tab.page.locator("tr.source .fold")
    assert (folds.count(), names(tab)) == (48, [])
    folds.first.click()
    assert lines(tab)[:3] == ["2", "2", "2"]
    assert tab.texts("#table td:nth-child(2)")[:3] == ["1 of 40", "2 of 40", "3 of 40"]
    assert folds.first.get_attribute("aria-expanded") == "true"
    folds.first.click()
    assert names(tab) == []
    tab.page.get_by_role("button", name="Open all").click()
    assert len(names(tab)) == 48, "a page has 50 lines, two of them sources"
    expect(tab.page.locator("#page-of")).to_have_text("Page 1 of 40")
    tab.page.get_by_role("button", name="Next").click()
    expect(tab.page.locator("#page-of")).to_have_text("Page 2 of 40")
    tab.page.get_by_role("button", name="Close all").click()
    assert (folds.count(), names(tab)) == (48, [])


@pytest.mark.parametrize(
    ("query", "many"),
    [
        ("annotator 007", 48),
        ("ANNOTATOR 007", 48),
        ("Maps, Kenya", 40),
        ("no such thing", 0),
        ("#7", 1),
    ],
)
def test_search_finds_names_sources_and_numbers(
    bad: Made, opener: Opener, query: str, many: int
) -> None:
    tab = opener(bad)
    tab.page.locator("#search").fill(query)
    assert shown(tab) == f"{many} of 1,920 rows shown"
    if not many:
        expect(tab.page.locator("#table tbody")).to_have_text("No row matches.")
    tab.page.locator("#search").fill("")
    assert shown(tab) == "All 1,920 rows of 48 sources"


def test_search_finds_ids_and_the_apis_messages(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    rows = ledger_csv(bad).splitlines()
    batch_id = next(
        id for line in rows if ",created," in line for id in re.findall(r"[0-9a-f-]{36}", line)[1:]
    )
    tab.page.locator("#search").fill(batch_id.upper())
    assert shown(tab) == "1 of 1,920 rows shown"
    tab.page.locator("#search").fill("cannot be duplicated")
    refused = sum("cannot be duplicated" in line for line in rows)
    assert shown(tab) == f"{refused} of 1,920 rows shown"


def test_filters_add_up_and_go_with_the_search(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    failed, unknown, _ = [
        int(text.split()[-1].replace(",", "")) for text in tab.texts("#statuses .chip")[1:]
    ]
    for name in ("failed", "unknown"):
        tab.page.locator(f"[data-chip={name}]").click()
    assert shown(tab) == f"{failed + unknown} of 1,920 rows shown"
    assert set(tab.texts("#table td .status")) == {"failed", "unknown"}
    tab.page.locator("[data-chip=failed]").click()
    assert shown(tab) == f"{unknown} of 1,920 rows shown"
    tab.page.locator("#search").fill("no such thing")
    assert shown(tab) == "0 of 1,920 rows shown"


def test_copies_that_differ_from_their_source_can_be_chosen(hostile: Made, opener: Opener) -> None:
    tab = opener(hostile)
    chip = tab.page.locator("[data-chip=differs]")
    expect(chip).to_have_text("differs 1")
    chip.click()
    assert shown(tab) == "1 of 30 rows shown"
    text = "fewer instructions than its source (4 of 5)"
    assert tab.texts("#table td .warning") == [text]
    tab.page.locator("[data-chip=failed]").click()
    assert shown(tab) == "0 of 30 rows shown"
    for name in ("failed", "differs"):
        tab.page.locator(f"[data-chip={name}]").click()
    tab.page.locator("#search").fill("fewer instructions")
    assert shown(tab) == "1 of 30 rows shown"


def test_sorting_goes_both_ways_and_says_so(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    tab.page.get_by_label("By source").uncheck()
    by_name = tab.page.locator("th button", has_text="Name")
    by_name.click()
    up = names(tab)
    assert up == sorted(up)
    assert up[0].startswith("Captions, Brazil")
    expect(by_name.locator("..")).to_have_attribute("aria-sort", "ascending")
    by_name.click()
    down = names(tab)
    assert down == sorted(down, reverse=True)
    assert down[0].startswith("Timetables, Spain")
    expect(by_name.locator("..")).to_have_attribute("aria-sort", "descending")
    tab.page.locator("th button", has_text="Requests").click()
    tab.page.locator("th button", has_text="Requests").click()
    tries = [int(text) for text in tab.texts("#table td:last-child")]
    assert tries == sorted(tries, reverse=True)
    assert tries[0] > 1


def test_commands_and_ids_are_copied_whole(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    one = tab.page.locator("#needs .decide .command").first
    one.get_by_role("button").click()
    whole = clipboard(tab.page)
    base, end = tab.texts("#needs .base code")[0], one.locator("code").inner_text()
    assert whole == f"{base} {end}"
    tab.page.locator("#search").fill("#1")
    tab.page.locator("#table td .copy").first.click()
    assert clipboard(tab.page) == tab.page.locator("#table td .id").first.inner_text()
    expect(tab.page.locator("#table td .copy").first).to_have_text("Copied")


def test_where_the_clipboard_is_closed_the_old_way_copies(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    tab.page.evaluate(
        "() => { navigator.clipboard.writeText = () => Promise.reject(new Error('closed')); }"
    )
    one = tab.page.locator("#needs .command").first
    one.get_by_role("button").click()
    assert clipboard(tab.page) == one.locator("code").inner_text()


@pytest.mark.parametrize("night", ["bad", "hostile"])
def test_the_download_is_the_ledger_file(
    night: str, request: pytest.FixtureRequest, opener: Opener, tmp_path: Path
) -> None:
    made: Made = request.getfixturevalue(night)
    assert download(opener(made), tmp_path / "all.csv") == ledger_csv(made)


def test_the_download_has_what_is_shown(bad: Made, opener: Opener, tmp_path: Path) -> None:
    tab = opener(bad)
    tab.page.locator("[data-chip=failed]").click()
    header, *rows = ledger_csv(bad).splitlines()
    assert download(tab, tmp_path / "failed.csv").splitlines() == [
        header,
        *(row for row in rows if ",failed," in row),
    ]


def test_a_row_s_details_have_every_column_and_what_decides_it(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    tab.page.locator("[data-chip=unknown]").click()
    tab.page.locator("[data-row]").first.click()
    detail = tab.page.locator("tr.detail")
    assert {"source_batch_id", "error", "last_sent_at", "run_id"} <= set(
        detail.locator("dt").all_inner_texts()
    )
    offered = detail.locator(".command code").all_inner_texts()
    buttons = tab.page.locator("#needs .decide tbody").first.locator("[data-copy*=settle]").all()
    assert offered == [button.get_attribute("data-copy") for button in buttons]


def test_what_needs_a_person_leads_to_its_rows(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    failed = tab.texts("#statuses .chip")[1].split()[-1]
    tab.page.locator("#needs .group summary", has_text="failed").first.click()
    tab.page.locator("#needs [data-find]:visible").first.click()
    assert shown(tab) == "1 of 1,920 rows shown"
    assert names(tab)
    tab.page.locator("#needs .group summary", has_text="pending").first.click()
    tab.page.locator("#needs [data-status=pending]:visible").first.click()
    pending = tab.texts("#statuses .chip")[3].split()[-1]
    assert shown(tab) == f"{pending} of 1,920 rows shown"
    assert failed != pending


def test_the_keyboard_alone_is_enough(bad: Made, opener: Opener) -> None:
    tab = opener(bad)
    keys = tab.page.keyboard
    keys.press("Tab")
    assert tab.page.evaluate("document.activeElement.className") == "skip"
    keys.press("/")
    expect(tab.page.locator("#search")).to_be_focused()
    keys.type("annotator 007")
    assert shown(tab) == "48 of 1,920 rows shown"
    keys.press("Tab")
    keys.press("Space")
    expect(tab.page.locator("[data-chip=created]")).to_have_attribute("aria-pressed", "true")
    for _ in range(40):
        keys.press("Tab")
        if tab.page.evaluate("document.activeElement.dataset.row") is not None:
            break
    row = tab.page.evaluate("document.activeElement.dataset.row")
    assert row is not None, "the rows can be reached"
    keys.press("Enter")
    expect(tab.page.locator("tr.detail")).to_have_count(1)
    expect(tab.page.locator(f"[data-row='{row}']")).to_be_focused()
    keys.press("Enter")
    expect(tab.page.locator("tr.detail")).to_have_count(0)


BACKGROUND = "getComputedStyle(document.body).backgroundColor"


def test_light_and_dark_follow_the_system_and_the_switch(good: Made, opener: Opener) -> None:
    light, dark = opener(good), opener(good, dark=True)
    white, black = light.page.evaluate(BACKGROUND), dark.page.evaluate(BACKGROUND)
    assert white != black
    light.page.get_by_label("Dark").check()
    assert light.page.evaluate(BACKGROUND) == black
    light.page.get_by_label("Auto").check()
    assert light.page.evaluate(BACKGROUND) == white
    dark.page.get_by_label("Light").check()
    assert dark.page.evaluate(BACKGROUND) == white


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("night", ["good", "bad", "hostile"])
def test_axe_finds_no_violation(
    night: str, dark: bool, request: pytest.FixtureRequest, opener: Opener
) -> None:
    tab = opener(request.getfixturevalue(night), dark=dark)
    tab.page.evaluate(
        "() => { for (const one of document.querySelectorAll('details')) one.open = true; }"
    )
    tab.page.locator("#search").fill("1")
    tab.page.locator("[data-row]").first.click()
    # The page's policy would refuse a script element; the test's own evaluation is no part of the
    # page.
    tab.page.evaluate(Path(AXE_FILE_PATH).read_text("utf-8"))
    found = tab.page.evaluate("axe.run({resultTypes: ['violations']})")
    violations = [
        f"{one['id']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]
    assert violations == []
    assert len(found["passes"]) > 20


def test_hostile_texts_are_shown_and_run_nothing(hostile: Made, opener: Opener) -> None:
    tab = opener(hostile)
    tab.page.get_by_label("By source").uncheck()
    page_text = "\n".join(names(tab))
    for text in HOSTILE:
        assert text.replace("\u202e", "\\u202e").replace("\u202c", "\\u202c")[:400] in page_text
    for button in tab.page.locator("[data-row]").all()[:6]:
        button.click()
    assert tab.page.title() == "Duplicate batches: campaign spring · 10 of 30 duplicates created"
    assert tab.page.locator("img, iframe, [onerror], [autofocus]").count() == 0
    for text in HOSTILE[:4]:
        tab.page.locator("#search").fill(text)
        assert not shown(tab).startswith("0 ")


def test_a_long_name_makes_no_page_wider(hostile: Made, opener: Opener) -> None:
    for width in (1280, 390):
        tab = opener(hostile, width=width)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_a_phone_the_counts_stay_in_view_and_plots_say_that_they_scroll(
    bad: Made, opener: Opener
) -> None:
    tab = opener(bad, width=380)
    counts = tab.texts(".counts strong")
    tab.page.evaluate("document.querySelector('#timeline').scrollIntoView()")
    standing = tab.page.locator(".standing")
    expect(standing).to_be_in_viewport()
    assert tab.texts(".standing strong") == counts
    for figure in tab.page.locator("figure").all():
        expect(figure.locator(".scrolls")).to_have_text(
            "Scroll the plot sideways to see all of it."
        )
        expect(figure.locator(".scrolls")).to_be_visible()
    assert opener(bad).page.locator(".scrolls:visible, .standing:visible").count() == 0


def test_rows_link_to_their_batches(bad: Made, opener: Opener, tmp_path: Path) -> None:
    linked = Made(bad.database, tmp_path / "linked.html", bad.campaign)
    linked.make(batch_url="https://example.org/batches/{id}")
    tab = opener(linked)
    tab.page.locator("#search").fill("#1")
    link = tab.page.locator("#table td a.id").first
    batch_id = link.inner_text()
    expect(link).to_have_attribute("href", f"https://example.org/batches/{batch_id}")
    assert opener(bad).page.locator("#table a, .decide a").count() == 0


def test_a_narrow_window_needs_no_sideways_scrolling(bad: Made, opener: Opener) -> None:
    tab = opener(bad, width=360)
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_script_the_headline_and_what_needs_a_person_can_be_read(
    bad: Made, opener: Opener
) -> None:
    tab = opener(bad, script=False)
    expect(tab.page.get_by_role("heading", level=1)).to_have_text(
        "Duplicate batches: campaign spring-wave"
    )
    expect(tab.page.locator(".headline")).to_contain_text("of 1,920 duplicates created")
    expect(tab.page.locator("#needs .decide .command").first).to_be_visible()
    expect(tab.page.locator("#copies .unscripted")).to_contain_text(
        "The ledger file contains every row"
    )
    assert tab.page.get_by_role("button").count() == 0, "what does nothing is not shown"


def test_on_paper_all_that_counts_is_open_and_nothing_is_a_control(
    bad: Made, opener: Opener
) -> None:
    tab = opener(bad)
    tab.page.emulate_media(media="print")
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert tab.page.locator("details:not([open])").count() == 1, "what the list of pauses sums up"
    assert tab.page.locator("button.copy:visible, .chips:visible, .pager:visible").count() == 0
    tab.page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert tab.page.locator("details:not([open])").count() > 1


def test_on_paper_every_column_has_its_place(bad: Made, opener: Opener) -> None:
    tab = opener(bad, width=700)  # a sheet of A4
    tab.page.emulate_media(media="print")
    tab.page.evaluate("dispatchEvent(new Event('beforeprint'))")
    ends = tab.page.evaluate(
        "[...document.querySelectorAll('#table thead button')].map(one =>"
        " one.getBoundingClientRect()).map(box => [box.left, box.right])"
    )
    assert len(ends) == 8
    assert all(right <= left for (_, right), (left, _) in pairwise(ends)), ends
    assert ends[-1][1] <= 700


def test_the_sheet_to_decide_in_is_downloaded_as_settle_writes_it(
    bad: Made, opener: Opener, tmp_path: Path
) -> None:
    tab = opener(bad)
    name = f"{bad.campaign}-decisions.csv"
    button = tab.page.get_by_role("button", name=f"Download {name}")
    with tab.page.expect_download() as waiting:
        button.click()
    assert waiting.value.suggested_filename == name
    expect(tab.page.locator("#said")).to_have_text("Sheet downloaded")
    waiting.value.save_as(tmp_path / name)
    with closing(open_for_reading(bad.database)) as reader:
        number = views.campaign_id(reader, bad.campaign)
        assert number is not None
        some = list(undecided(reader, number))
        decision_sheet.write(tmp_path / "settle.csv", sheet_rows(some, bad.campaign), "")
    assert (tmp_path / name).read_bytes() == (tmp_path / "settle.csv").read_bytes()
    assert len(some) > 1
    assert len(list(decision_sheet.read(tmp_path / name))) >= len(some)


def test_a_good_night_offers_no_sheet(good: Made, opener: Opener) -> None:
    assert opener(good).page.locator("#sheet").count() == 0
