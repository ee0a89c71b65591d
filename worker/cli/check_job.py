"""Checks one job: compares its plan with the ledger, and its sources with the API. It creates
nothing, takes no lock and changes no database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import anyio

from worker.accidents.message import Message, created_again_notes, text
from worker.accidents.rules import (
    Accident,
    LaterRun,
    Situation,
    accidents,
    created_again,
    with_names,
)
from worker.api.reader import ApiUnusableError, reader_without_run
from worker.cli.accidents import is_replaceable, messages_for, situation_of
from worker.cli.common import Target, api_client, campaign_of, run_start
from worker.cli.outdated import outdated
from worker.export import ledger_file as export
from worker.export.own_files import refuse_foreign_file
from worker.job.plan import Plan, planned
from worker.ledger import forecast, setups, views
from worker.ledger.database import is_new, open_for_reading, unusable
from worker.ledger.engine import DATABASE_ERRORS
from worker.ledger.forecast import Forecast
from worker.ledger.moved import refuse_moved
from worker.ledger.sqlite.database import open_empty, open_for_writing
from worker.ledger.store import Ledger
from worker.ledger.threads import ListingNotes, ThreadedDatabase
from worker.ledger.views import SANDBOX
from worker.model.batch import Workspace
from worker.model.events import ignore
from worker.model.job import Job
from worker.model.records import RunKind
from worker.model.setups import ChangedSetup
from worker.model.stop import Stop
from worker.restore.lost_database import Outdated
from worker.run.preflight import Preflight
from worker.run.question import names_taken_text
from worker.settings.access import api_url
from worker.settings.settings import Settings
from worker.terminal.findings import Findings, JobWarning, SourceProblem
from worker.terminal.secrets import Scrubber


class Sources(NamedTuple):
    """What the API shows of the job's sources: the number `found` in each workspace; these
    `workspaces`, with their titles if the token can list them; the `missing` and the `unclear`
    ones, each with its first line and the reason; the `names` of the sources of the first
    duplicates; and which of the names to send are `taken`."""

    found: Mapping[str, int]
    workspaces: tuple[Workspace, ...]
    missing: tuple[tuple[int, str, str], ...]
    unclear: tuple[tuple[int, str, str], ...]
    names: Mapping[str, str | None]
    taken: views.Names


class Known(NamedTuple):
    """What the ledger knows about the plan: the forecast of a run, how many of the new batches it
    would set up, which batches were set up differently, how many duplicates of the campaign are no
    longer in the job, what is known about accidents (None: nothing counts as one), and what shows
    that the database lacks what exists (None: nothing)."""

    forecast: Forecast
    set_up_new: int
    changed_setups: list[ChangedSetup]
    left_job: int
    situation: Situation | None
    outdated: Outdated | None


def check_job(
    job: Job, settings: Settings, environ: Mapping[str, str], api: Target | None, why_not: str
) -> tuple[Findings, tuple[str, ...]]:
    """The findings about one job, and the warnings about its file as they are shown. Asks the
    `api`, or says `why_not`. Raises WorkerError."""
    campaign = campaign_of(settings)
    url = SANDBOX if settings.sandbox else api_url(environ)
    refuse_foreign_file(export.LEDGER_FILE, settings.ledger_path("RUN"), campaign)
    with planned(job, campaign, settings.date) as plan:
        known = _known(settings, job, campaign, plan, url)
        sources: Sources | None = None
        if api is not None and known.forecast.sources:
            try:
                sources = anyio.run(_look, settings, api, plan, job.path, campaign, known)
            except ApiUnusableError as error:
                why_not = error.message
    found = _findings(settings, campaign, job.path, plan, known, sources, why_not)
    return found, tuple(plan.warnings_shown(job.path))


def _known(settings: Settings, job: Job, campaign: str, plan: Plan, url: str) -> Known:
    """What the ledger knows about the plan; nothing if the database does not exist yet. Raises
    UsageError."""
    new = is_new(settings.database)
    with closing(open_empty() if new else open_for_reading(settings.database, url)) as reader:
        try:
            refuse_moved(reader)
            number = views.campaign_id(reader, campaign)
            return Known(
                forecast.of_plan(
                    reader, plan.file, number, plan.items, retry_failed=settings.retry_failed
                ),
                forecast.count_setups(
                    reader,
                    plan.file,
                    number,
                    plan.items if settings.limit is None else settings.limit,
                    retry_failed=settings.retry_failed,
                ),
                setups.changed_by(reader, plan.file, number),
                forecast.count_leaving(reader, plan.file, number),
                situation_of(reader, settings, job, plan, url),
                outdated(reader, settings, campaign, job.path),
            )
        except DATABASE_ERRORS as error:
            raise unusable(settings.database, error) from error


def _tell_known_batches(ledger: Ledger, settings: Settings, known: Known, campaign: str) -> bool:
    """Tell the temporary ledger which batches the run's database knows. Returns whether they
    include those that the workspace contained when the campaign last sent something."""
    if is_new(settings.database):
        return False
    with closing(open_for_reading(settings.database)) as reader:
        ledger.add_foreign_batches(views.owned_batches(reader))
        number = views.campaign_id(reader, campaign)
        if number is None or not isinstance(known.situation, LaterRun):
            return False
        latest = views.latest_baseline(reader, number)
        if latest is not None:
            ledger.add_seen_before(
                views.looked_at(reader, number, latest),
                ((workspace, batch) for workspace, batch in views.seen_by(reader, latest)),
            )
        return latest is not None


def _names_taken(
    ledger: Ledger, settings: Settings, plan: Plan, campaign: str, *, knows_before: bool
) -> views.Names:
    """Which names that a run would use already exist. Afterwards the temporary ledger has only what
    a run would send."""
    unsettled: Sequence[str] = ()
    if not is_new(settings.database):
        with closing(open_for_reading(settings.database)) as reader:
            unsettled = views.unsettled_names(reader)
            if (number := views.campaign_id(reader, campaign)) is not None:
                with reader.attached(plan.file):
                    retry = settings.retry_failed
                    left_out = forecast.plan_left_out(reader, number, retry_failed=retry)
                    ledger.leave_out((line, copy) for line, copy in left_out)
    latest = 0 if knows_before else None  # the temporary ledger's own listings begin at 1
    return views.names_taken(ledger, ledger.campaign, ledger.run, latest, unsettled)


async def _look(
    settings: Settings, api: Target, plan: Plan, job: Path, campaign: str, known: Known
) -> Sources:
    """Look up every source as a run's preflight would, with a temporary ledger."""
    scrub = Scrubber(api.token)
    scratch = plan.file.with_name("check.db")
    with closing(open_for_writing(scratch, SANDBOX)) as database:
        start = run_start(settings, "check", RunKind.RUN, campaign=campaign, job=job, ledger=Path())
        ledger = Ledger(database, start)
        ledger.plan(plan.file, (), retry_failed=False)
        knows_before = _tell_known_batches(ledger, settings, known, campaign)
        async with api_client(api, settings.timeout, scrub, plan.sources()) as client:
            threaded = ThreadedDatabase(ledger)
            reader = reader_without_run(client, ListingNotes(threaded), settings.rate)
            preflight = Preflight(threaded, reader, ignore, Stop())
            await preflight.check_token()
            await preflight.look_up_sources()
        found = views.sources_found(database, ledger.run)
        return Sources(
            found=found,
            workspaces=views.named_workspaces(database, found),
            missing=tuple(views.sources_lost(database, ledger.campaign, ledger.run, "missing")),
            unclear=tuple(views.sources_lost(database, ledger.campaign, ledger.run, "unclear")),
            names={
                one.source_id: views.source_name(database, ledger.run, one.source_id)
                for one in known.forecast.first
            },
            taken=_names_taken(ledger, settings, plan, campaign, knows_before=knows_before),
        )


def _findings(
    settings: Settings,
    campaign: str,
    job: Path,
    plan: Plan,
    known: Known,
    sources: Sources | None,
    why_not: str,
) -> Findings:
    forecast, counts = known.forecast, known.forecast.counts
    found = _accidents(known.situation, sources)
    messages: list[Message] = []
    if found:
        replaceable = is_replaceable(settings.database)
        messages = messages_for(found, settings, job, replaceable=replaceable)
    create = forecast.new + counts.pending + (counts.failed if settings.retry_failed else 0)
    if settings.limit is not None:
        create = min(create, settings.limit)
    names = [
        one.name(sources.names.get(one.source_id) if sources else None) for one in forecast.first
    ]
    again: tuple[str, ...] = ()
    if known.situation is not None:
        again = tuple(created_again_notes(created_again(known.situation, found)))
    return Findings(
        campaign=campaign,
        job=str(job),
        ledger=str(settings.ledger_path("{run_id}")),
        database=str(settings.database),
        rows=plan.rows,
        duplicates=plan.items,
        comments=plan.comments,
        warnings=tuple(JobWarning(line=line, text=text) for line, text in plan.warnings),
        to_create=create,
        to_set_up=forecast.set_up + known.set_up_new,
        changed_setups=tuple(map(str, known.changed_setups)),
        counts={
            "created": counts.created,
            "failed": counts.failed,
            "unknown": counts.unknown,
            "pending": counts.pending + forecast.new,
        },
        first_names=tuple(names[:create]),
        sources=forecast.sources,
        workspaces=None if sources is None else sources.found,
        workspace_names=(
            None
            if sources is None
            else {one.id: one.title for one in sources.workspaces if one.title}
        ),
        left_job=known.left_job,
        accidents=tuple(text(one) for one in messages),
        outdated=None if known.outdated is None else str(known.outdated),
        created_again=again,
        names_taken=None if found or sources is None else _taken(sources.taken),
        missing=None if sources is None else _problems(sources.missing),
        unclear=None if sources is None else _problems(sources.unclear),
        not_checked=why_not or None,
        exit_code=int(bool(found or known.outdated or (sources is not None and sources.missing))),
    )


def _accidents(situation: Situation | None, sources: Sources | None) -> tuple[Accident, ...]:
    """What looks like an accident."""
    if situation is None:
        return ()
    return accidents(situation if sources is None else with_names(situation, sources.taken))


def _taken(names: views.Names) -> str | None:
    """What is said about names that exist and are no accident; None if there are none."""
    return names_taken_text(names.own_taken, names.example) if names.own_taken else None


def _problems(sources: tuple[tuple[int, str, str], ...]) -> tuple[SourceProblem, ...]:
    return tuple(
        SourceProblem(line=line, source_batch_id=source, reason=reason)
        for line, source, reason in sources
    )
