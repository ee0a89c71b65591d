"""What can go wrong at the API, and how likely it is in one run. Plain data; `api` carries it
out."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

F = TypeVar("F")


class Fate(StrEnum):
    """What happens to one duplicate request."""

    GOOD = "answered"
    LOST_BEFORE = "lost before its effect"
    LOST_AFTER = "lost after its effect"
    LATE = "lost, late effect"
    SILENT = "timeout without effect"
    SILENT_AFTER = "timeout after its effect"
    SILENT_LATE = "timeout, late effect"
    ERROR_BEFORE = "5xx before its effect"
    ERROR_AFTER = "5xx after its effect"
    ERROR_LATE = "5xx, late effect"
    THROTTLED = "429"
    NO_CONNECTION = "no connection"
    PROXY = "407"
    UNAUTHORISED = "401 blip"
    REFUSED = "4xx"
    GATEWAY_BEFORE = "gateway's page before its effect"
    GATEWAY_AFTER = "gateway's page after its effect"
    ODD_BEFORE = "odd 2xx without effect"
    ODD_AFTER = "odd 2xx after its effect"


class ListingResult(StrEnum):
    """What happens to a request that only reads."""

    GOOD = "answered"
    ERROR = "look: 5xx"
    GATEWAY = "look: gateway's page"
    SILENT = "look: timeout"
    LOST = "look: lost"
    THROTTLED = "look: 429"


class Shown(StrEnum):
    """How much an answered listing shows. A lie's count agrees with what it shows: the listing is
    cut to a multiple of 10, the only length that APIs of this kind are known for."""

    WHOLE = "whole"
    CUT = "listing cut short"
    SHORT = "listing short, true count"
    NO_COUNT = "listing without count"
    ODD = "listing with an entry without id"
    CAPPED = "listing capped, true count"
    LIE_OLDEST = "listing capped at the oldest, false count"
    LIE_NEWEST = "listing capped at the newest, false count"


class Sight(StrEnum):
    """Which batches a token can see."""

    ALL = "all"
    OWN = "a token that sees its own alone"
    NOTHING = "a token that sees an empty workspace"


@dataclass(frozen=True, slots=True)
class Weather:
    """Probabilities of the fates; the rest of the requests is answered well. `down`: times without
    any answer, in seconds after the run's start. `token` False: the API rejects it. Sources that
    are `stubborn` always answer 500, `stubborn_after` after the effect, `stubborn_look` when they
    are looked up. `sight`: what the token can see. `no_listing`: every listing is rejected. `me`
    takes `me_s` more."""

    duplicate: Mapping[Fate, float] = field(default_factory=dict)
    look: Mapping[ListingResult, float] = field(default_factory=dict)
    listing: Mapping[Shown, float] = field(default_factory=dict)
    latency_s: tuple[float, float] = (0.02, 0.3)
    down: tuple[tuple[float, float], ...] = ()
    token: bool = True
    stubborn: frozenset[str] = frozenset()
    stubborn_after: frozenset[str] = frozenset()
    stubborn_look: frozenset[str] = frozenset()
    sight: Sight = Sight.ALL
    no_listing: bool = False
    me_s: float = 0.0


LOST = (
    Fate.LOST_BEFORE, Fate.LOST_AFTER, Fate.LATE, Fate.SILENT, Fate.SILENT_AFTER, Fate.SILENT_LATE,
    Fate.ERROR_BEFORE, Fate.ERROR_AFTER, Fate.ERROR_LATE,
)  # fmt: skip
NOT_SENT = (Fate.THROTTLED, Fate.NO_CONNECTION, Fate.PROXY)
PAGES = (Fate.GATEWAY_BEFORE, Fate.GATEWAY_AFTER)
ODD = (Fate.ODD_BEFORE, Fate.ODD_AFTER)
LOOKS = (
    ListingResult.ERROR,
    ListingResult.GATEWAY,
    ListingResult.SILENT,
    ListingResult.LOST,
    ListingResult.THROTTLED,
)
HONEST = (Shown.CUT, Shown.SHORT, Shown.NO_COUNT, Shown.ODD, Shown.CAPPED)
LIES = (Shown.LIE_OLDEST, Shown.LIE_NEWEST)


def likely(rng: random.Random, fates: Iterable[F], most: float) -> dict[F, float]:
    """A probability for some of the `fates`; together they are about `most`, often less."""
    some = [fate for fate in fates if rng.random() < 0.6]
    whole = most * rng.uniform(0.2, 1.0)
    return {fate: whole / len(some) for fate in some}


def drawn(rng: random.Random, fates: Mapping[F, float], good: F) -> F:
    """One of the `fates` by its probability, or `good`."""
    number = rng.random()
    for fate, probability in fates.items():
        number -= probability
        if number < 0:
            return fate
    return good
