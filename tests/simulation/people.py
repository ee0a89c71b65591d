"""Other people: they create similar batches, change sources or set clocks during a campaign, and
decide what is unknown.

They act on the world, or through the functions that `settle --assign` and `--absent` call. Nothing
is judged here."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.simulation.scenario import Meddling, Run
from tests.simulation.world import WORKSPACES, Batch, Kind, World
from tests.support.ledgers import connection_of
from worker.api.bodies import read_batch
from worker.export import ledger_file as export
from worker.export.commands import Invocation
from worker.export.proposals import sheet_rows
from worker.ledger import decisions
from worker.ledger.handle import Reader, Writer
from worker.ledger.proposals import undecided
from worker.ledger.store import Ledger
from worker.model.batch import listed
from worker.model.names import render_name
from worker.model.records import RunEnd, RunStart

Copies = tuple[str, str, int, int]
"""What a job wants of one source: its id, the name's template, how many copies, and whether with a
new dataset."""

NOTICED_S = 600.0
"""The API's clock may be set by this many seconds at any time."""

UNKNOWN = """
SELECT i.id, c.name AS campaign, i.source_id, i.template, i.upload_new_dataset, i.copy, i.name
FROM items AS i JOIN campaigns AS c ON c.id = i.campaign_id WHERE i.status = 'unknown' ORDER BY i.id
"""


def meddle(world: World, meddling: Meddling, wanted: Sequence[Copies]) -> None:
    """Do now what `meddling` says. `wanted` is what our jobs want."""
    if meddling.what == "step" and abs(meddling.seconds) > NOTICED_S and world.effects_to_come:
        # A clock that is set while a request is under way, which gets no answer, is what
        # docs/settling.md assumes away.
        world.later(1.0, partial(meddle, world, meddling, wanted))
        return
    if meddling.what == "step":
        world.date_skew += meddling.seconds
        world.created_skew += meddling.seconds
        world.faults["clock stepped"] += 1
        return
    if meddling.what == "set up":
        ours = [batch for batch in world.batches.values() if batch.request is not None]
        for batch in world.setup_rng.sample(ours, min(2, len(ours))):
            world.faults["people: set up"] += 1
            world.set_up(batch.id)
        return
    if meddling.what == "rename a copy":
        for batch in reversed(world.batches.values()):
            if batch.request is not None and batch.id not in world.shown_ids:
                world.faults["people: rename a copy"] += 1
                batch.name = "Final"
                return
        return
    kind = world.requests[-1].kind if meddling.what == "copy the latest" else _alike(world, wanted)
    source = world.batches.get(kind.source_id)
    if source is None:
        return
    world.faults[f"people: {meddling.what}"] += 1
    match meddling.what:
        case "copy" | "copy the latest":
            world.copy(kind, meddling.who)
        case "rename":
            source.name = world.rng.choice((f"{source.name} 2", source.name.swapcase(), "Wave"))
        case "edit":
            source.details = _edited(world, source)
        case "edit for a while":
            before = source.details
            source.details = _edited(world, source)
            world.later(meddling.seconds, lambda: setattr(source, "details", before))
        case "move" if (
            not source.moved
        ):  # there and back between two looks is what nobody could see
            source.workspace = WORKSPACES[1 - WORKSPACES.index(source.workspace)]
            source.moved = True
        case "remove" if (
            not source.moved
        ):  # where the copies of one that moved unseen are, nobody could know
            del world.batches[source.id]


def _edited(world: World, source: Batch) -> dict[str, str]:
    return source.details | {"task_steps": f"<ol>{world.rng.random():.3f}</ol>"}


def _alike(world: World, wanted: Sequence[Copies]) -> Kind:
    """A copy as one of our jobs wants it, or nearly so."""
    rng = world.rng
    source_id, template, copies, flag = rng.choice(wanted)
    source = world.batches.get(source_id)
    kind = Kind(
        source_id,
        render_name(template, source.name if source else None, copies) or None,
        bool(flag),
    )
    if rng.random() < 0.6:
        return kind
    name = kind.name or ""
    names = (name, None, name.swapcase(), f"{name}0", f" {name}", name[:5])
    return Kind(rng.choice(wanted)[0], rng.choice(names) or None, rng.random() < 0.5)


def suggested(database: Reader) -> dict[int, str]:
    """What the sheets of all campaigns suggest, by the number of the row."""
    found: dict[int, str] = {}
    for campaign in connection_of(database).execute("SELECT id, name FROM campaigns").fetchall():
        for row in sheet_rows(undecided(database, campaign["id"]), campaign["name"]):
            if row["suggestion"]:
                found[int(row["item"].removeprefix("#"))] = row["suggestion"]
    return found


def decide(
    database: Writer,
    world: World,
    rng: random.Random,
    run: Run,
    start: RunStart,
    ledger_file: Path,
) -> list[str]:
    """Decide some unknown rows truthfully, as `settle --assign` and `--absent` do. Returns the
    decisions as text.

    Nothing is decided if an effect may still come, or if another row of its kind has the row's
    batch."""
    rows = connection_of(database).execute(UNKNOWN).fetchall()
    chosen = [row for row in rows if rng.random() < run.decides]
    if not chosen:
        return []
    ledger = Ledger(database, start)
    owned = {
        row[0]
        for row in connection_of(database).execute(
            "SELECT new_batch_id FROM items WHERE new_batch_id IS NOT NULL"
        )
    }
    said: list[str] = []
    for row in chosen:
        item = (
            row["campaign"],
            row["source_id"],
            row["template"],
            bool(row["upload_new_dataset"]),
            row["copy"],
        )
        kind = world.in_effect(
            Kind(row["source_id"], row["name"] or None, bool(row["upload_new_dataset"]))
        )
        ours = [
            batch
            for batch in world.batches.values()
            if batch.request is not None and world.in_effect(batch.request.kind) == kind
        ]
        free = [batch for batch in ours if batch.id not in owned]
        own = [batch for batch in free if batch.request is not None and batch.request.item == item]
        number = int(row["id"])
        if own:
            shown = read_batch(world.body(own[0]))
            assert shown is not None
            decisions.assign(ledger, number, listed(shown))
            owned.add(own[0].id)
            said.append(f"#{number} is {own[0].id}")
        elif not free and not world.coming(kind):
            decisions.declare_absent(ledger, number)
            said.append(f"#{number} was not made")
    world.faults["a person decides"] += len(said)
    ledger.end_run(RunEnd(start.now, None, 1, 0, 0, 0))
    export.write_ledger_file(database, ledger.campaign, start.campaign, ledger_file, Invocation())
    return said
