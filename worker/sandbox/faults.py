"""The ways to misbehave: their names, how a person asks for them, and how one is drawn. Not what
the server then does.

Every fault is one that the API, a gateway before it or the network is known for; the client must
survive each."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from worker.model.errors import UsageError
from worker.text import closest

FAULTS: Mapping[str, str] = {
    "drop-answer": "the batch is made, then the connection closes without an answer",
    "drop-request": "the connection closes and nothing is made",
    "late": (
        "the connection closes or a gateway answers 504, and the batch is made some seconds later"
    ),
    "error-500": "500, and nothing is made",
    "error-500-after": "500, although the batch is made",
    "error-502": "a gateway's 502 page, and nothing is made",
    "busy": "429, and nothing is made",
    "slow": "the batch is made, and the answer takes ten times the latency and a second more",
    "cut-answer": "the batch is made, and its 201 ends in the middle of the body",
    "refuse": "422, and nothing is made",
    "unauthorised": "401 although the token is good, and nothing is made",
    "hang": (
        "nothing is made and nothing is answered until the client gives up, for two minutes at most"
    ),
    "list-500": "a listing is answered with 500",
    "list-short": "a listing lacks some batches, though its count has them",
}
"""Every fault and what it does; those of a listing begin with `list-`, all others are a duplicate
request's."""

LISTING_FAULTS = frozenset(name for name in FAULTS if name.startswith("list-"))
DUPLICATE_FAULTS = FAULTS.keys() - LISTING_FAULTS
BEFORE_EFFECT = frozenset(
    {"drop-request", "error-500", "error-502", "busy", "refuse", "unauthorised", "hang"},
)
"""Faults that strike before the server looks at what it is asked to do."""


def parse_faults(text: str) -> dict[str, float]:
    """Read `drop-answer=0.05,late=0.02` into probabilities by name; empty text is none.

    UsageError for an unknown name (with the one that was probably meant), a name twice, or anything
    but a number from 0 to 1."""
    faults: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name in faults:
            raise UsageError(f"The fault {name!r} is there twice.")
        _check_name(name)
        faults[name] = _probability(name, number)
    check_faults(faults)
    return faults


def check_faults(faults: Mapping[str, float]) -> None:
    """UsageError where `faults` are not known, or their probabilities make no sense, alone or
    together."""
    for name, probability in faults.items():
        _check_name(name)
        if not 0 <= probability <= 1:  # also refuses nan
            raise UsageError(f"The probability of {name} must be from 0 to 1, not {probability:g}.")
    for names in (DUPLICATE_FAULTS, LISTING_FAULTS):
        total = sum(probability for name, probability in faults.items() if name in names)
        if total > 1 + 1e-9:
            raise UsageError(
                f"The probabilities of {', '.join(n for n in faults if n in names)} add up to"
                f" {total:g}.",
                hint="One request meets one fault at most: they may add up to 1.",
            )


def draw(dice: Random, faults: Mapping[str, float]) -> str | None:
    """One of `faults`, each with just its probability, or none of them."""
    roll = dice.random() if faults else 1.0  # who asks for none uses up no luck
    for name, probability in faults.items():
        if roll < probability:
            return name
        roll -= probability
    return None


def _check_name(name: str) -> None:
    if name not in FAULTS:
        close = closest(name, FAULTS)
        meant = f": did you mean {close}?" if close else "."
        raise UsageError(f"There is no fault {name!r}{meant}", hint=f"Faults: {', '.join(FAULTS)}.")


def _probability(name: str, number: str) -> float:
    try:
        return float(number)
    except ValueError:
        raise UsageError(
            f"The fault {name} needs a probability from 0 to 1, not {number!r}.",
            hint=f"For example {name}=0.05.",
        ) from None
