"""Which of the job's duplicates a row of a ledger file means. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from worker.ledger.group_commit import default_name
from worker.model.errors import UsageError
from worker.model.names import render_name
from worker.model.restored import FileItem, Planned


def match(
    row: FileItem,
    named: Sequence[Planned],
    others: Callable[[], Sequence[Planned]],
    lines_decide: Callable[[], bool],
) -> Planned:
    """The duplicate that the row means, of those that could have its name (`named`), or, if there
    is none, of `others` with its identity. With `lines_decide` every row of the file may be what
    stands on its own line of the job: then lines tell apart what names do not.

    Raises UsageError if there is none, or more than one, or it is known already."""
    fitting = list(named)
    if len(fitting) > 1 and lines_decide():
        fitting = [item for item in fitting if str(item.line) == row.line]
    if len(fitting) > 1:
        # The API's own names end in "(Copy)"; it may have cut one, so that counts only where it
        # tells rows apart.
        unnamed = default_name("{source_name}")
        closer = [item for item in fitting if could_be_named(item.template or unnamed, row.name)]
        fitting = closer or fitting
    if not fitting:
        # A name that the API changed matches none; if there is no other duplicate it can only be
        # this one.
        fitting = list(others())
    if len(fitting) != 1:
        raise UsageError(
            f"{row.where}: this row is no duplicate of the job (source {row.identity.source_id}, "
            f"name {row.name!r}, copy {row.identity.copy})",
            hint="Nothing was restored. Restore with the job file, --date and --campaign of that"
            " run.",
        )
    if fitting[0].status != "pending":
        raise UsageError(
            f"{row.where}: the database knows this duplicate already, as {fitting[0].status}"
        )
    return fitting[0]


def could_be_named(template: str, name: str) -> bool:
    """Whether a duplicate of this template could have this name, whatever its source was called and
    however many copies there were."""
    if not template:
        return True
    marks = render_name(template.replace("{copies}", "{source_name}"), "\0", 0)
    pattern = ".*".join(re.escape(part) for part in marks.split("\0"))
    return re.fullmatch(pattern, name, re.DOTALL) is not None
