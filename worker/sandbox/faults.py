"""The faults of the sandbox: their names, how a person asks for them, and how one is drawn at
random. What the server then does is in `server`.

Every fault is one that the API, a gateway in front of it, or the network is known for. The client
must handle each."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from worker.model.errors import UsageError
from worker.text import closest

FAULTS: Mapping[str, str] = {
    "drop-answer": "the batch is created, then the connection closes without an answer",
    "drop-request": "the connection closes, and nothing is created",
    "late": (
        "the connection closes or a gateway answers 504; the batch is created some seconds later"
    ),
    "error-500": "500, and nothing is created",
    "error-500-after": "500, although the batch is created",
    "error-502": "a gateway's 502 page, and nothing is created",
    "busy": "429, and nothing is created",
    "slow": "the batch is created; the answer takes ten times the latency plus one second",
    "cut-answer": "the batch is created, and its 201 ends in the middle of the body",
    "fewer-instructions": "the batch is created without its source's last instruction",
    "refuse": "422, and nothing is created",
    "unauthorised": "401 although the token is valid, and nothing is created",
    "hang": "nothing is created, and no answer comes until the client gives up (at most 2 minutes)",
    "setup-error": "the setup is accepted, and the batch ends in the status ERROR",
    "list-500": "a listing is answered with 500",
    "list-short": "a listing lacks some batches, although its count includes them",
}
"""Every fault and what it does. Those that begin with `list-` affect a listing, `setup-error` a
setup request; all others affect a duplicate request and a setup request alike."""

LISTING_FAULTS = frozenset(name for name in FAULTS if name.startswith("list-"))
DUPLICATE_FAULTS = FAULTS.keys() - LISTING_FAULTS - {"setup-error"}
SETUP_FAULTS = FAULTS.keys() - LISTING_FAULTS
BEFORE_EFFECT = frozenset(
    {"drop-request", "error-500", "error-502", "busy", "refuse", "unauthorised", "hang"},
)
"""Faults that happen before the server reads what the request asks for."""


def parse_faults(text: str) -> dict[str, float]:
    """Read text such as `drop-answer=0.05,late=0.02`. Returns probabilities by name; empty text has
    none.

    Raises UsageError for an unknown name (with a similar one), for a name that is given twice, and
    for anything but a number from 0 to 1."""
    faults: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, number = (piece.strip() for piece in part.partition("="))
        if name in faults:
            raise UsageError(f"The fault {name!r} is given twice.")
        _check_name(name)
        faults[name] = _probability(name, number)
    check_faults(faults)
    return faults


def check_faults(faults: Mapping[str, float]) -> None:
    """Raise UsageError if a fault is unknown, if its probability is not from 0 to 1, or if the
    probabilities add up to more than 1."""
    for name, probability in faults.items():
        _check_name(name)
        if not 0 <= probability <= 1:  # also refuses nan
            raise UsageError(f"The probability of {name} must be from 0 to 1, not {probability:g}.")
    for names in (SETUP_FAULTS, LISTING_FAULTS):
        total = sum(probability for name, probability in faults.items() if name in names)
        if total > 1 + 1e-9:
            raise UsageError(
                f"The probabilities of {', '.join(n for n in faults if n in names)} add up to"
                f" {total:g}.",
                hint="They may add up to at most 1: each request has at most one fault.",
            )


def draw(dice: Random, faults: Mapping[str, float]) -> str | None:
    """One of `faults`, each with its own probability, or None."""
    roll = dice.random() if faults else 1.0  # without faults, no random number is used up
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
