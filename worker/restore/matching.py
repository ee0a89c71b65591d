"""Finds the duplicate of the job that a row of a ledger file means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from itertools import groupby

from worker.export.content import SHORTENED
from worker.model.attempts import PLAIN, plain_beginning
from worker.model.copies import default_name
from worker.model.errors import UsageError
from worker.model.names import render_name, skeleton
from worker.model.restored import FileItem, Planned


def match(
    row: FileItem,
    named: Sequence[Planned],
    others: Callable[[], Sequence[Planned]],
    lines_decide: Callable[[], bool],
) -> Planned:
    """The duplicate that the row means: one of `named`, the duplicates that could have its name,
    or, if there is none, one of `others` with its identity: the name of a batch may have been
    changed by the API, and a workbook cuts a long name. (A row without a batch has the job's own
    name. If it has another one, the job was edited since, and wants another duplicate.) If
    `lines_decide`, each row of the file fits the duplicate on its own line of the job: then the
    line decides between duplicates with the same name.

    Raises UsageError if no duplicate fits, if several fit, or if the database already knows the
    duplicate."""
    fitting = list(named)
    if len(fitting) > 1 and lines_decide():
        fitting = [item for item in fitting if str(item.line) == row.line]
    if len(fitting) > 1:
        # The API's own names end in "(Copy)". The API may have shortened one, so this counts only
        # if it tells rows apart.
        unnamed = default_name("{source_name}")
        closer = [item for item in fitting if could_be_named(item.template or unnamed, row.name)]
        fitting = closer or fitting
    if not fitting and (row.status == "created" or row.whole_name is None):
        # A name that the API changed matches nothing, and a person may assign a batch of any name.
        # A name of another night is neither: the file belongs to another --date.
        assigned, name = row.settled_by == "person", row.name.removesuffix(SHORTENED)
        fitting = [item for item in others() if assigned or could_become(item.template, name)]
    if len(fitting) != 1:
        raise UsageError(
            f"{row.where}: this row is not a duplicate of the job (source"
            f" {row.identity.source_id}, name {row.name!r}, copy {row.identity.copy})",
            hint="Nothing was restored. Use the job file, --date and --campaign of the run that"
            " wrote the file.",
        )
    if fitting[0].status != "pending":
        raise UsageError(
            f"{row.where}: the database already contains this duplicate, as {fitting[0].status}"
        )
    return fitting[0]


def could_be_named(template: str, name: str) -> bool:
    """Whether a duplicate of this template could have this name, for any name of its source and any
    number of copies."""
    if not template:
        return True
    pattern = ".*".join(re.escape(part) for part in _parts(template))
    return re.fullmatch(pattern, name, re.DOTALL) is not None


def could_become(template: str, name: str) -> bool:
    """Whether an API that cleans, cuts or transliterates names could have made this name from one
    of this template: as far as what is filled in late, one begins with the other. Nobody knows what
    becomes of special characters, but what is around them stays, in its order, unless the end is
    cut. So a name of another night, which differs in a day or a weekday, is never one."""
    begins, *later = _parts(template)
    expected, found = skeleton(begins), skeleton(name)
    if not all(_digits(part) in _digits(found) and _stays(part, found) for part in later):
        return False
    if found.startswith(expected) or expected.startswith(found):
        return True
    beginning = plain_beginning(begins)
    return beginning != begins and found.startswith(skeleton(beginning)) and _stays(begins, found)


def _stays(text: str, found: str) -> bool:
    """Whether everything in the text between its special characters is in the skeleton `found`, in
    this order. The end may be cut."""
    *pieces, last = [one for one in map(skeleton, _plain_pieces(text)) if one] or [""]
    place = 0
    for piece in pieces:
        place = found.find(piece, place)
        if place < 0:
            return False
        place += len(piece)
    rest = found[place:]
    return last in rest or any(
        # No special character becomes a digit.
        rest.endswith(cut) and _digits(rest) == _digits(cut)
        for cut in (last[:length] for length in range(1, len(last)))
    )


def _plain_pieces(text: str) -> list[str]:
    """What is between the text's special characters."""
    return ["".join(some) for plain, some in groupby(text, PLAIN.__contains__) if plain]


def _parts(template: str) -> list[str]:
    """What is certain of the template's name: the texts around what is filled in late."""
    return render_name(template.replace("{copies}", "{source_name}"), "\0", 0).split("\0")


def _digits(text: str) -> str:
    return "".join(filter(str.isdigit, text))
