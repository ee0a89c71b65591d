"""`check`: what a run would do. It creates nothing, takes no lock and changes no database."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import anyio

from worker.cli.common import Target, api, campaign_of, open_job_with_settings, target
from worker.clock import MachineClock, ServerClock, iso
from worker.database import ThreadedDatabase
from worker.events import Event
from worker.job.plan import Plan, planned
from worker.ledger import export, views
from worker.ledger.database import SANDBOX, open_empty, open_for_reading, open_for_writing
from worker.ledger.records import RunStart
from worker.ledger.store import Ledger
from worker.lookups import ApiUnusableError, LookUps
from worker.observe.output import say, say_json
from worker.observe.secrets import Scrubber
from worker.observe.text import counted, for_window, near, visible
from worker.preflight import Preflight
from worker.settings.load import Settings
from worker.stop import Stop

SHOWN = 20
"""How many missing or unclear sources are named."""


class Sources(NamedTuple):
    """What the API says of the job's sources: found by workspace, and the others with the first line that asks for
    each and why; what the sources of the first duplicates are called."""

    found: Mapping[str, int]
    missing: tuple[tuple[int, str, str], ...]
    unclear: tuple[tuple[int, str, str], ...]
    names: Mapping[str, str | None]


def main(args: argparse.Namespace, environ: Mapping[str, str], command: str = "check") -> int:
    """Check the job; the exit code. Raises WorkerError."""
    job, settings = open_job_with_settings(command, args, environ)
    campaign = campaign_of(settings)
    chosen, why_not = _target(settings, environ)
    export.refuse_foreign_file(settings.ledger_path("RUN"))
    with planned(job, campaign, settings.date) as plan:
        forecast = _forecast(settings, campaign, plan)
        sources: Sources | None = None
        if chosen is not None and forecast.sources:
            try:
                sources = anyio.run(_look, settings, chosen, plan, job.path, campaign, forecast)
            except ApiUnusableError as error:
                why_not = error.message
    facts = _facts(settings, campaign, job.path, plan, forecast, sources, why_not)
    if settings.json:
        say_json(facts)
    elif not settings.quiet or facts["exit_code"]:
        shown = facts | {"ledger": str(near(Path(facts["ledger"]), sys.stdout))}
        say(for_window("\n".join(_lines(shown)), sys.stdout))
    code: int = facts["exit_code"]
    return code


def _target(settings: Settings, environ: Mapping[str, str]) -> tuple[Target | None, str]:
    """The API to ask, or why it is not asked. A token that is there and unfit is an error all the same."""
    if not settings.sandbox and settings.token_file is None and not environ.get("PROLIFIC_TOKEN"):
        return None, "there is no token (PROLIFIC_TOKEN)"
    return target(settings, environ), ""


def _forecast(settings: Settings, campaign: str, plan: Plan) -> views.Forecast:
    """What the ledger knows of the plan; a database that is not there yet knows nothing."""
    exists = settings.database.exists()
    with closing(open_for_reading(settings.database) if exists else open_empty()) as connection:
        known = views.campaign_id(connection, campaign)
        return views.forecast(connection, plan.file, known, plan.items, retry_failed=settings.retry_failed)


async def _look(
    settings: Settings, chosen: Target, plan: Plan, job: Path, campaign: str, forecast: views.Forecast
) -> Sources:
    """Look every source up as a run's preflight would, with a ledger that is thrown away."""
    clock, scrub = MachineClock(), Scrubber(chosen.token or None)
    scratch = plan.file.with_name("check.db")
    with closing(open_for_writing(scratch, SANDBOX)) as connection:
        start = RunStart(
            "check", campaign, str(job), "", "", os.getpid(), iso(clock.wall()), settings.timeout, settings.settle_after
        )
        ledger = Ledger(connection, start)
        ledger.plan(plan.file, (), retry_failed=False)
        async with api(chosen, settings.timeout, scrub, plan.sources()) as client:
            look_ups = LookUps(
                ThreadedDatabase(ledger), client, clock, ServerClock(), _nobody, Stop(), give_up_after_s=0.0,
                rate=settings.rate,
            )  # fmt: skip
            preflight = Preflight(ThreadedDatabase(ledger), look_ups, _nobody, Stop())
            await preflight.check_token()
            await preflight.look_up_sources()
        return Sources(
            found=views.sources_found(connection, ledger.run),
            missing=tuple(views.sources_lost(connection, ledger.campaign, ledger.run, "missing")),
            unclear=tuple(views.sources_lost(connection, ledger.campaign, ledger.run, "unclear")),
            names={one.source_id: views.source_name(connection, ledger.run, one.source_id) for one in forecast.first},
        )


def _nobody(_event: Event) -> None:
    """A check tells its findings itself."""


def _facts(
    settings: Settings,
    campaign: str,
    job: Path,
    plan: Plan,
    forecast: views.Forecast,
    sources: Sources | None,
    why_not: str,
) -> dict[str, Any]:
    """What is told, as JSON values."""
    counts = forecast.counts
    create = forecast.new + counts.pending + (counts.failed if settings.retry_failed else 0)
    return {
        "campaign": campaign,
        "job": str(job),
        "ledger": str(settings.ledger_path("{run_id}")),
        "database": str(settings.database),
        "rows": plan.rows,
        "duplicates": plan.items,
        "to_create": create if settings.limit is None else min(create, settings.limit),
        "counts": {
            "created": counts.created,
            "failed": counts.failed,
            "unknown": counts.unknown,
            "pending": counts.pending + forecast.new,
        },
        "first_names": [one.name(sources.names.get(one.source_id) if sources else None) for one in forecast.first],
        "sources": forecast.sources,
        "workspaces": None if sources is None else dict(sources.found),
        "missing": None if sources is None else _named(sources.missing),
        "unclear": None if sources is None else _named(sources.unclear),
        "not_checked": why_not or None,
        "exit_code": 1 if sources is not None and sources.missing else 0,
    }


def _named(sources: tuple[tuple[int, str, str], ...]) -> list[dict[str, object]]:
    return [{"line": line, "source_batch_id": source, "reason": reason} for line, source, reason in sources]


def _lines(facts: Mapping[str, Any]) -> Iterator[str]:
    """What is told, for people."""
    counts = facts["counts"]
    size = f"{counted(facts['rows'], 'row')}, {counted(facts['duplicates'], 'duplicate')}"
    yield f"{facts['job']}: {size}, campaign {facts['campaign']}"
    yield f"  to create: {facts['to_create']:,}"
    for status, words in (
        ("created", "exist already"),
        ("failed", "failed before (--retry-failed tries them again)"),
        ("unknown", "unknown: they may exist, and are not sent again"),
    ):
        if counts[status]:
            yield f"  {words}: {counts[status]:,}"
    if facts["first_names"]:
        yield "  first names:"
        yield from (f"    {visible(name) or '(none: the API names it)'}" for name in facts["first_names"])
    sources = counted(facts["sources"], "source")
    if facts["not_checked"] is not None:
        yield f"  not checked: whether the {sources} exist, and their names: {facts['not_checked']}"
    elif facts["workspaces"] is not None:
        for workspace, number in facts["workspaces"].items():
            yield f"  {counted(number, 'source')} in workspace {workspace}"
        yield from _lost(facts, "missing", "not there")
        yield from _lost(facts, "unclear", "not found out about")
    yield f"  ledger: {facts['ledger']}"
    if not facts["to_create"]:
        yield "Nothing to do: everything that the job wants is known already."


def _lost(facts: Mapping[str, Any], key: str, words: str) -> Iterator[str]:
    lost = facts[key]
    if lost:
        yield f"  {counted(len(lost), 'source')} {words}:"
    for one in lost[:SHOWN]:
        yield f"    {facts['job']}:{one['line']}: {one['source_batch_id']}: {visible(one['reason'])}"
    if len(lost) > SHOWN:
        yield f"    … and {len(lost) - SHOWN:,} more"
