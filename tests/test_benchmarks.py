"""The benchmarks' own judges: what they count, and that nginx's limit is in force. What is measured
is not tested."""

from __future__ import annotations

import urllib.error
import urllib.request
from collections.abc import Sequence

import pytest

from benchmarks.ceiling import Kept, kept
from benchmarks.nginx import missing, serving

SOURCE = "0192a3b4-5678-7abc-8def-0123456789ab"


def ask(url: str) -> int:
    """Ask for a duplicate; the answer's status."""
    request = urllib.request.Request(
        f"{url}/api/v1/data-collection/batches/{SOURCE}/duplicate", data=b"{}"
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as response:
            return int(response.status)
    except urllib.error.HTTPError as error:
        return error.code


@pytest.mark.skipif(missing(latency=False) is not None, reason=missing(latency=False) or "")
def test_nginx_rejects_what_is_beyond_its_limit_and_notes_it() -> None:
    with serving([SOURCE], limit="1r/m", burst=3, log=True) as api:
        statuses = [ask(api.url) for _ in range(6)]

        assert statuses == [201] * 4 + [429] * 2
        assert api.statuses(6) == {201: 4, 429: 2}


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([n / 50 for n in range(100)], Kept(used=1.0, drift=1.0, rejected=0, most=5)),
        ([n / 25 for n in range(100)], Kept(used=0.5, drift=1.0, rejected=0, most=3)),
        (
            [*(n / 50 for n in range(50)), *(1 + n / 100 for n in range(50))],
            Kept(66 / 50, 2.0, 0, 10),
        ),
    ],
    ids=["all of a ceiling", "half of it", "twice as fast in the second half"],
)
def test_how_a_ceiling_was_kept_is_reported_by_when_requests_came(
    times: Sequence[float], expected: Kept
) -> None:
    found = kept(50, [(at + 1_764_000_000, 201) for at in times])

    assert found.used == pytest.approx(expected.used, rel=0.01)
    assert found.drift == pytest.approx(expected.drift, rel=0.01)
    assert abs(found.most - expected.most) <= 1


def test_rejections_are_counted() -> None:
    assert kept(1, [(0.0, 201), (1.0, 429), (2.0, 201), (3.0, 429)]).rejected == 2
