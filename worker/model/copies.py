"""The name and the datasets that the API gives to a copy. Pure."""

from __future__ import annotations

from collections.abc import Sequence

NAME_SUFFIX = "(Copy)"
"""The end of a name that the API gives."""


def default_name(source_name: str) -> str:
    """The name that the API gives to a copy if no name was sent."""
    return f"{source_name} {NAME_SUFFIX}"


def copy_name(sent_name: str | None, source_name: str | None) -> str:
    """The name of a copy: the one that was sent or, if none was (None), the API's own. The result
    is empty if that one cannot be known, because the source's name is not (None)."""
    if sent_name is not None:
        return sent_name
    return "" if source_name is None else default_name(source_name)


def copy_datasets(source_datasets: Sequence[str], *, upload_new_dataset: bool) -> tuple[str, ...]:
    """The ids of the datasets of a copy: those of its source, unless a new dataset is to be
    uploaded to it."""
    return () if upload_new_dataset else tuple(source_datasets)
