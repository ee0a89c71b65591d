"""Where a copy differs from its source: the facts that are compared, codes for programs, and the
text for people. Pure.

The ledger keeps codes and numbers. `message` turns them into text where people read them, and
`read_message` reads that text only from a ledger file that restores a lost database."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple

from worker.text import verb


class Content(NamedTuple):
    """What is compared of a source and its copy: the number of instructions, whether rows that are
    appended to its dataset reach it (`auto_sync`), and the ids of its datasets. None: the API does
    not say."""

    instructions: int | None = None
    auto_sync: bool | None = None
    datasets: tuple[str, ...] | None = None


class DifferenceKind(StrEnum):
    """How a copy differs. Texts are in this order."""

    FEWER_INSTRUCTIONS = "fewer_instructions"
    FEWER_DATASETS = "fewer_datasets"
    OTHER_DATASET = "other_dataset"
    UNWANTED_DATASET = "unwanted_dataset"
    AUTO_SYNC = "auto_sync"
    NO_AUTO_SYNC = "no_auto_sync"


class Difference(NamedTuple):
    """One difference. If it is about numbers, the copy has `shown` of the source's `expected`."""

    kind: DifferenceKind
    shown: int | None = None
    expected: int | None = None


_TEXTS = {
    DifferenceKind.FEWER_INSTRUCTIONS: "fewer instructions than its source ({shown} of {expected})",
    DifferenceKind.FEWER_DATASETS: "fewer datasets than its source ({shown} of {expected})",
    DifferenceKind.OTHER_DATASET: "a dataset that its source does not have",
    DifferenceKind.UNWANTED_DATASET: "a dataset, although upload_new_dataset is true",
    DifferenceKind.AUTO_SYNC: "auto-sync on a shared dataset",
    DifferenceKind.NO_AUTO_SYNC: "no auto-sync, although its source has it",
}

_SEPARATOR = "; "


def differences(
    source: Content, copy: Content, *, upload_new_dataset: bool
) -> tuple[Difference, ...]:
    """Where the copy differs from its source. A fact that is not known is no difference, and more
    instructions than the source's are none either. With `upload_new_dataset` the copy should have
    no dataset.

    Auto-sync on a shared dataset counts even if the source has it: rows that are appended to the
    dataset for the source reach every copy."""
    found: list[Difference] = []
    shown, expected = copy.instructions, source.instructions
    if shown is not None and expected is not None and shown < expected:
        found.append(Difference(DifferenceKind.FEWER_INSTRUCTIONS, shown, expected))
    if not upload_new_dataset:
        found += _of_shared_data(source, copy)
    elif copy.datasets:
        found.append(Difference(DifferenceKind.UNWANTED_DATASET))
    return tuple(found)


def _of_shared_data(source: Content, copy: Content) -> list[Difference]:
    found: list[Difference] = []
    # The ledger has () for a source whose datasets are not known.
    if copy.datasets is not None and source.datasets and copy.datasets != source.datasets:
        expected, shown = set(source.datasets), set(copy.datasets)
        if shown - expected:
            found.append(Difference(DifferenceKind.OTHER_DATASET))
        elif shown != expected:
            found.append(Difference(DifferenceKind.FEWER_DATASETS, len(shown), len(expected)))
        if expected.isdisjoint(shown):
            return found
    if copy.auto_sync:
        found.append(Difference(DifferenceKind.AUTO_SYNC))
    elif copy.auto_sync is False and source.auto_sync:
        found.append(Difference(DifferenceKind.NO_AUTO_SYNC))
    return found


def message(found: Iterable[Difference]) -> str:
    """The text of a row's warning; empty if the copy does not differ."""
    texts = {one.kind: _TEXTS[one.kind].format(**one._asdict()) for one in found}
    return _SEPARATOR.join(texts[kind] for kind in DifferenceKind if kind in texts)


def differ(number: int, created: int) -> str:
    """How many of the created copies differ from their source."""
    copies = verb(created, "copy", "copies")
    differs = verb(number, "differs from its source", "differ from their source")
    return f"{number:,} of {created:,} {copies} {differs}"


def read_message(text: str) -> tuple[Difference, ...]:
    """The differences that a ledger file names, as `message` wrote them; other text is left out."""
    found = []
    for part in text.split(_SEPARATOR):
        for kind, pattern in _PATTERNS.items():
            if match := pattern.fullmatch(part):
                found.append(Difference(kind, *map(int, match.groups())))
    return tuple(found)


_PATTERNS = {
    kind: re.compile(re.sub(r"\\{\w+\\}", "([0-9]{1,9})", re.escape(text)))
    for kind, text in _TEXTS.items()
}
