"""Explains why a cell is not a batch id or not a number. People paste what they see, so each
message says what to remove or what to write. Pure."""

from __future__ import annotations

import re
from typing import Final

from worker.model.batch_id import BATCH_ID
from worker.model.error_values import why_error_value
from worker.text import quoted

_FORM: Final = "a batch id is a UUID like 0192a3b4-5678-7abc-8def-0123456789ab"

ID_IS_MISSING: Final = f"is missing; {_FORM}"


def why_not_a_number(cell: str) -> str:
    """What is wrong with a cell that is not a whole number. The advice must not change what was
    meant: "." or "," before three digits groups thousands in some countries and begins a fraction
    in others."""
    if re.fullmatch(r"[1-9][0-9]{0,2}([.,][0-9]{3})+", cell):
        whole, parts = re.sub("[.,]", "", cell), re.split("[.,]", cell)
        if len(parts) > 2:
            return f"is not written with digits only; write {whole} if that is the number"
        fraction = f"{parts[0]}.{parts[1]}".rstrip("0").rstrip(".")
        return f"may mean {whole} or {fraction}; write the number that you mean, with digits only"
    meant = re.fullmatch(r"0*([1-9][0-9]{0,4})[.,]0+", cell)
    return f"is not a whole number; write {meant[1] if meant else 'digits only'}"


def why_not_an_id(cell: str) -> str:
    """What is wrong with a cell that is not a batch id."""
    if not cell:
        return f"is empty; {_FORM}"
    if why := why_error_value(cell):
        return f"{quoted(cell)} {why}"
    return quoted(cell) + (
        _other_form(cell) or _made_a_number(cell) or _more_than_an_id(cell) or _misspelt_id(cell)
    )


def _other_form(cell: str) -> str:
    """For a UUID in braces, as a URN or without its dashes: how to write it."""
    # (A longer cell is not searched: it contains more than an id.)
    digits = re.sub(r"^urn:uuid:|[{}()-]", "", cell.lower()) if len(cell) <= 100 else ""
    if not re.fullmatch("[0-9a-f]{32}", digits):
        return ""
    parts = (digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])
    return f' is not in the expected form; write "{"-".join(parts)}"'


def _made_a_number(cell: str) -> str:
    # (An id of 24 hexadecimal digits may look the same.)
    if len(cell) == 24 or not re.fullmatch(r"[0-9]+([.,][0-9]*)?[eE][+-]?[0-9]+", cell):
        return ""
    return (
        " is a number: a spreadsheet converted the id, and digits are lost; "
        "format the column as text and paste the id again"
    )


def _more_than_an_id(cell: str) -> str:
    if "://" in cell or cell.lower().startswith(("www.", "app.prolific", "api.prolific")):
        inside = BATCH_ID.findall(cell[:2000])
        return " looks like a URL; give only the id" + (
            f": {inside[0]}" if len(inside) == 1 else ""
        )
    foreign = next((character for character in "/?#&;," if character in cell), None)
    return f' contains "{foreign}"; give only the id: {_FORM}' if foreign else ""


def _misspelt_id(cell: str) -> str:
    if re.fullmatch("[0-9a-fA-F]{24}", cell):
        return f" looks like the id of a study, project or workspace; {_FORM}"
    if len(cell) != 36:
        return f" has {len(cell)} characters, not 36; {_FORM}"
    if wrong := re.search("[^0-9a-fA-F-]", cell):
        return (
            f": {quoted(wrong[0])} (character {wrong.start() + 1}) is not a hexadecimal digit;"
            f" {_FORM}"
        )
    return f" has its dashes in the wrong places; {_FORM}"
