"""Names and campaigns: what is understood, what it becomes, and what is said about the rest."""

from __future__ import annotations

import unicodedata
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.model.names import (
    NameProblem,
    fill_campaign,
    needs_source_name,
    parse_name,
    plain_spelling,
    render_name,
)

SOURCE = "0192a3b4-5678-7abc-8def-0123456789ab"
DAY = date(2025, 3, 1)  # a Saturday, in ISO week 9


def identity(text: str, n: int = 3, campaign: str = "spring") -> str:
    return parse_name(text).identity(n=n, source_id=SOURCE, campaign=campaign, date=DAY)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("plain", "plain"),
        ("  spaces round  ", "spaces round"),
        ("\u00a0no-break spaces round\u2003", "no-break spaces round"),
        ("100 % {n}", "100 % 3"),
        ("{n:03}", "003"),
        ("{n:09}", "000000003"),
        ("{n}{n:02}", "303"),
        ("{date}", "2025-03-01"),
        ("{date:%d.%m.}", "01.03."),
        ("{date:%Y %y %j %b %B %a %A}", "2025 25 060 Mar March Sat Saturday"),
        ("{date:%u %w %G-W%V %U %W}", "6 6 2025-W09 08 08"),
        ("{date:%d%% é}", "01% é"),
        ("{date: %d } x", "01  x"),
        ("{source_id}", SOURCE),
        ("{campaign}/{n}", "spring/3"),
        ("{{", "{{"),
        ("}}", "}}"),
        ("{{n}}", "{{n}}"),
        ("{{{n}}}", "{{3}}"),
        ("{source_name}", "{source_name}"),
        ("{n} of {copies}", "3 of {copies}"),
        ("{{source_name}} {source_name}", "{{source_name}} {source_name}"),
        ("{date:%d}}}", "01}}"),
        ("e\u0301", "\u00e9"),
        ("日本 🙂", "日本 🙂"),
    ],
)
def test_an_identity_is_filled_but_for_source_name_and_copies(text: str, expected: str) -> None:
    assert identity(text) == expected


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        (
            "{sorce_name}",
            '"{sorce_name}" (character 1) is not a placeholder; did you mean "{source_name}"?',
        ),
        ("Wave {N}", '"{N}" (character 6) is not a placeholder; did you mean "{n}"?'),
        ("{ n }", 'did you mean "{n}"?'),
        ("{Source Name}", 'did you mean "{source_name}"?'),
        ("{}", "there are {n}, {copies}, {date}, {source_id}, {source_name}, {campaign}"),
        ("{0}", '"{0}" (character 1) is not a placeholder'),
        ("a { b", '"{" (character 3) is never closed; write a literal brace as "{{"'),
        ("a } b", '"}" (character 3) closes nothing; write a literal brace as "}}"'),
        ("{{n}", '"}" (character 4) closes nothing'),
        ("{{{n}}", '"}" (character 6) closes nothing'),
        ("{n", '"{" (character 1) is never closed'),
        ("{n{n}}", '"{" (character 1) is never closed'),
        ("{n:2}", 'did you mean "{n:02}"?'),
        ("{n:02d}", 'did you mean "{n:02}"?'),
        ("{n:010}", 'write "{n:03}"'),
        ("{n:00}", 'write "{n:03}"'),
        ("{n:}", 'write "{n:03}"'),
        ("{n:>3}", 'write "{n:03}"'),
        ("{n:٠٣}", 'write "{n:03}"'),
        ("{copies:02}", 'takes no format; did you mean "{copies}"?'),
        ("{source_name:20}", 'did you mean "{source_name}"?'),
        ("{date:%H:%M}", '"%H", a time of day; only dates are allowed'),
        ("{date:%s}", '"%s", a time of day'),
        ("{date:%e}", '"%e", not a date directive; use %Y %y'),
        ("{date:%-d}", '"%-", not a date directive'),
        ("{date:%}", 'ends in a lone "%"'),
        ("{date:}", 'contains no date directive; did you mean "{date:%Y-%m-%d}"?'),
        ("{date:%%}", "contains no date directive"),
        ("{date:YYYY}", "contains no date directive"),
        ("{n.__class__}", "is not a placeholder"),
        ("{n!r}", "is not a placeholder"),
        ("a\nb", '"\\n" (character 2) is a control character; a name must be one line of text'),
        ("a\tb", '"\\t" (character 2) is a control character'),
        ("a\x7fb", '"\\x7f" (character 2) is a control character'),
        ("a\x85b", '"\\x85" (character 2) is a control character'),
        ("{date:%d\n}", "is a control character"),
        ("a\ud800", '"\\ud800" (character 2) is half a character'),
    ],
)
def test_a_name_that_is_not_well_formed_is_explained(text: str, fragment: str) -> None:
    with pytest.raises(NameProblem) as caught:
        parse_name(text)
    assert fragment in str(caught.value)


@pytest.mark.parametrize(
    ("template", "source_name", "copies", "expected"),
    [
        ("plain", "S", 1, "plain"),
        ("{source_name}", "S", 1, "S"),
        ("{source_name}", None, 1, "{source_name}"),
        ("{source_name}", "", 1, ""),
        ("{source_name}", "{copies}", 7, "{copies}"),
        ("{source_name}", "a\\1\\g<0>", 7, "a\\1\\g<0>"),
        ("{n} of {copies}", "S", 12, "3 of 12"),
        ("{{source_name}}", "S", 1, "{source_name}"),
        ("{{{source_name}}}", "S", 1, "{S}"),
        ("{{{{copies}}}}", "S", 1, "{{copies}}"),
        ("e{source_name}", "\u0301", 1, "\u00e9"),
    ],
)
def test_a_name_is_rendered_from_its_identity(
    template: str, source_name: str | None, copies: int, expected: str
) -> None:
    assert render_name(identity(template), source_name, copies) == expected


@pytest.mark.parametrize(
    ("template", "needs"),
    [
        ("plain", False),
        ("{copies}", False),
        ("{source_name}", True),
        ("{{source_name}}", False),
        ("{{{source_name}", True),
        ("{n}{{{{source_name}}}}", False),
    ],
)
def test_an_identity_knows_whether_it_needs_the_source_name(template: str, needs: bool) -> None:
    assert needs_source_name(identity(template)) is needs


def test_a_literal_brace_and_a_field_never_have_one_identity() -> None:
    assert identity("{{source_name}}") != identity("{source_name}")
    assert identity("{{copies}}") != identity("{copies}")


def test_braces_in_what_is_filled_in_stay_text() -> None:
    filled = identity("{campaign}", campaign="{source_name}")
    assert filled == "{{source_name}}"
    assert render_name(filled, "S", 1) == "{source_name}"


def test_two_spellings_of_one_name_are_equal() -> None:
    assert parse_name(" e\u0301 {n} ") == parse_name("\u00e9 {n}")


@pytest.mark.parametrize(
    ("sent", "now"),
    [
        ("007", "7"),
        ("1.10", "1.1"),
        ("1,5", "1.5"),
        ("1E5", "1.00E+05"),
        ("Wave 01", "Wave 1"),
        ("2026-01-05", "2026-1-5"),
        ("wave 1", "Wave 1"),
        ("Wave 1", "Wave\u00a0 1 "),
        ("Wave - 1", "Wave \u2013 1"),
        ('The "last" one', "The \u201clast\u201d one"),
        ("007", "'007"),
        ("\uff37ave", "Wave"),
    ],
)
def test_what_spreadsheets_and_people_change_is_another_spelling(sent: str, now: str) -> None:
    assert plain_spelling(sent) == plain_spelling(now)


@pytest.mark.parametrize(
    ("sent", "now"),
    [
        ("Wave 1", "Wave 2"),
        ("Wave 1", "Wave 11"),
        ("Wave 1", "Wave 10"),
        ("Part 1.1", "Part 11"),
        ("Part 1.05", "Part 1.5"),
        ("Part 1.1", "Part 1.10"),
        ("0", "00 0"),
        ("1E999", "1E998"),
        ("Group +", "Group -"),
        ("C#", "C"),
        ("Wave", "Wave!"),
        ("Wave-1", "Wave 1"),
        ("\u0661", "\u0662"),
        ("", "0"),
    ],
)
def test_what_may_name_another_wave_is_no_other_spelling(sent: str, now: str) -> None:
    assert plain_spelling(sent) != plain_spelling(now)


def test_a_template_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        parse_name("a")._pieces = ()  # type: ignore[misc]


one_line = st.text(st.characters(exclude_categories=["Cc", "Cs"]))


@given(one_line)
def test_any_text_survives_doubled_braces(text: str) -> None:
    doubled = text.replace("{", "{{").replace("}", "}}")
    assert render_name(identity(doubled), "S", 1) == unicodedata.normalize("NFC", text).strip()


@given(
    st.lists(
        st.sampled_from(
            ["{n}", "{copies}", "{date:%d}", "{source_name}", "{{", "}}", "a", "é", " "]
        )
    )
)
def test_an_identity_is_a_name_that_is_its_own_identity(parts: list[str]) -> None:
    once = identity("".join(parts))
    assert identity(once, n=99, campaign="other") == once


@given(one_line, one_line, st.integers(1, 10_000))
def test_what_is_sent_holds_the_source_name_as_it_is(
    before: str, source_name: str, copies: int
) -> None:
    before = before.replace("{", "").replace("}", "").lstrip()
    sent = render_name(identity(before + "{source_name}"), source_name, copies)
    assert sent == unicodedata.normalize("NFC", before + source_name)


@given(st.text())
def test_any_text_is_a_name_or_a_problem(text: str) -> None:
    try:
        template = parse_name(text)
    except NameProblem as problem:
        assert "(character " in str(problem)
    else:
        filled = template.identity(n=1, source_id=SOURCE, campaign="c", date=DAY)
        again = parse_name(filled)
        assert again.identity(n=2, source_id="", campaign="d", date=DAY) == filled


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("spring-wave_2.1", "spring-wave_2.1"),
        ("  two words ", "two words"),
        ("nightly-{date}", "nightly-2025-03-01"),
        ("{date:%G-W%V}", "2025-W09"),
        ("e\u0301t\u0301", "\u00e9t\u0301"),
        ("हिन्दी", "हिन्दी"),
        ("日本", "日本"),
        ("x" * 100, "x" * 100),
    ],
)
def test_a_campaign_is_filled(text: str, expected: str) -> None:
    assert fill_campaign(text, DAY) == expected


@pytest.mark.parametrize(
    ("text", "fragment"),
    [
        ("", "a campaign must have a name"),
        ("   ", "a campaign must have a name"),
        (".hidden", '".hidden" begins with a dot'),
        ("..", "begins with a dot"),
        ("x" * 101, "has 101 characters; at most 100 are allowed"),
        ("a/b", '"/" (character 2 of "a/b") is not allowed in a campaign'),
        ("a\\b", "is not allowed in a campaign"),
        ("jobs (1)", '"(" (character 6'),
        ("a\u00a0b", '"\\xa0" (character 2'),
        ("{date:%d/%m}", '"/" (character 3 of "01/03")'),
        ("{{a}}", "is not allowed in a campaign"),
        ("½", "is not allowed in a campaign"),
        ("🙂", "is not allowed in a campaign"),
        ("{n}", '"{n}" (character 1) is not a placeholder; there is {date}'),
        ("{dat}", 'did you mean "{date}"?'),
        ("{date", "is never closed"),
        ("{date:%H}", "a time of day"),
        ("a\nb", "is a control character; a campaign must be one line of text"),
    ],
)
def test_a_campaign_that_cannot_be_is_explained(text: str, fragment: str) -> None:
    with pytest.raises(NameProblem) as caught:
        fill_campaign(text, DAY)
    assert fragment in str(caught.value)
