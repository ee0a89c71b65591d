"""Looks for accidents for `run` and `check`, and guards a run that nobody has confirmed.

Takes settings; returns findings and messages, or refuses. `worker.accidents` decides what an
accident is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from worker.accidents import facts
from worker.accidents.message import (
    IntendedRun,
    Message,
    continuing,
    created_again_notes,
    full_text,
    messages,
)
from worker.accidents.rules import (
    Accident,
    LaterRun,
    Merged,
    NamesTaken,
    OtherLedger,
    Renamed,
    Situation,
    WrittenAgain,
    accidents,
    created_again,
)
from worker.cli.ask import agrees, has_person
from worker.cli.common import campaign_of, invocation, restoring
from worker.folders import changed_at, without_dots
from worker.job.plan import Plan
from worker.ledger import forecast, views
from worker.ledger.database import is_new
from worker.ledger.handle import Reader
from worker.ledger.nearby import UNREADABLE, peek
from worker.ledger.overlap import Overlap
from worker.model.errors import AccidentError, DeclinedError, UsageError, WorkerError
from worker.model.job import Job
from worker.model.server_address import DatabaseLocation, ServerAddress
from worker.restore.lost_database import files_of, move_away, newer_file
from worker.settings.settings import Settings
from worker.text import visible


def situation_of(
    reader: Reader, settings: Settings, job: Job, plan: Plan, api_url: str
) -> Situation | None:
    """What is known before the API is asked; None if nothing counts as an accident: in the sandbox,
    or with `--allow-existing`. Raises one of DATABASE_ERRORS."""
    if settings.sandbox or settings.allow_existing:
        return None
    return facts.situation(
        reader,
        plan,
        job,
        campaign_of(settings),
        settings.date,
        named_on_purpose=settings.names_campaign,
        new_each_day=settings.campaign_dated,
        retry_failed=settings.retry_failed,
        database=settings.database,
        api_url=api_url,
    )


def messages_for(
    found: tuple[Accident, ...], settings: Settings, job: Path, *, replaceable: bool
) -> list[Message]:
    """The messages about the findings, with the commands to continue what was found. `replaceable`
    as in `IntendedRun`."""
    moved = None if settings.is_set("database") else _moving_config_file(settings, job)
    campaign = campaign_of(settings)
    files = files_of(settings.ledger, campaign, settings.database)
    return messages(
        found,
        IntendedRun(
            job=without_dots(Path.cwd() / job),
            campaign=campaign,
            newest_file=max(files, key=changed_at, default=Path("FILE")),
            database=(
                settings.database
                if isinstance(settings.database, ServerAddress)
                else without_dots(settings.database)
            ),
            replaceable=replaceable,
            # Another campaign has its own ledger file, whatever --ledger says.
            invocation=invocation(settings, run=True)._replace(ledger=None),
            restoring=restoring(settings, campaign, job),
            move_away=move_away(str(settings.database)),
            date=settings.date.isoformat() if settings.is_set("date") else None,
            moved_by=moved,
            outdated=_outdated(found, files, settings, job),
        ),
    )


def _moving_config_file(settings: Settings, job: Path) -> Path | None:
    """The config file, if it puts the default database into another folder than the job's."""
    file = settings.config_file
    if file is None or file.parent.resolve() == job.parent.resolve():
        return None
    return file


def is_replaceable(database: DatabaseLocation) -> bool:
    """Whether a database can be moved to this place: nothing is there yet."""
    return not isinstance(database, ServerAddress) and is_new(database)


def _outdated(
    found: tuple[Accident, ...], files: list[Path], settings: Settings, job: Path
) -> dict[Path | None, Path]:
    """The databases that the findings name and that are older than one of the campaign's ledger
    `files`, each with the newest such file: continuing with an old copy leads nowhere."""
    campaign, outdated = campaign_of(settings), dict[Path | None, Path]()
    for one in found:
        match one:
            case OtherLedger(other) | NamesTaken(likely=Overlap() as other) if other.database:
                # One that cannot be read now says why when it is used.
                with suppress(WorkerError, *UNREADABLE), peek(other.database) as reader:
                    if reader is None:
                        continue
                    restore = restoring(settings, campaign, job)
                    newer = newer_file(reader, files, campaign, restore)
                    if newer is not None and newer.path is not None:
                        outdated[other.database] = newer.path
            case _:
                pass
    return outdated


class Guard:
    """Guards one run of a planned job against accidents."""

    def __init__(self, settings: Settings, job: Job, plan: Plan, api_url: str) -> None:
        self._settings = settings
        self._job = job
        self._plan = plan
        self._api_url = api_url
        # Checked once for the whole run: if the terminal goes away later, nobody has agreed.
        self.asks = not settings.yes and has_person()
        self._replaceable = is_replaceable(settings.database)  # before the run creates it
        self.situation: Situation | None = None
        """The result of `look`; None if nothing counts as an accident."""
        self._found: tuple[Accident, ...] = ()

    def look(self, reader: Reader) -> None:
        """Check the ledgers, before anything is sent or recorded.

        Raises AccidentError if it looks like an accident, DeclinedError if a person does not agree
        to create some duplicates a second time, and UsageError if somebody must confirm but nobody
        can be asked. Raises one of DATABASE_ERRORS."""
        self.situation = situation_of(reader, self._settings, self._job, self._plan, self._api_url)
        found = () if self.situation is None else accidents(self.situation)
        self._found = found
        # A person is asked after the job has been planned. Then the job's new rows are no longer
        # new, and what left it is gone: after a "no" the next run could not tell what they were.
        # So these rows are refused, or agreed to, before.
        of_rows = (Renamed, Merged, WrittenAgain)
        is_later = isinstance(self.situation, LaterRun)
        if self.asks and not (is_later and any(isinstance(one, of_rows) for one in found)):
            again = "\n".join(self.notes()) if is_later else ""
            if again and not agrees(f"{visible(str(self._job.path))}: {again}. Continue?"):
                raise DeclinedError(
                    "nothing was created.",
                    hint="Remove the rows of these duplicates from the job, or answer y.",
                )
            return
        if found:
            raise self.refusal(found)
        if not self._settings.yes and not self._settings.sandbox and self._creates(reader):
            raise UsageError(
                "there is no terminal to ask for confirmation",
                hint="Nothing was sent. Add --yes to create the duplicates without asking.",
            )

    def messages(self, found: tuple[Accident, ...]) -> list[Message]:
        """The messages about the findings."""
        return messages_for(found, self._settings, self._job.path, replaceable=self._replaceable)

    def notes(self) -> Iterator[str]:
        """Messages about duplicates that the run creates a second time, although that is no
        accident."""
        if self.situation is None:
            return iter(())
        return created_again_notes(created_again(self.situation, self._found))

    def refusal(self, found: tuple[Accident, ...]) -> AccidentError:
        """The error that says why nothing is created, and what to do."""
        return AccidentError(
            "nothing was created: these duplicates seem to exist"
            f" already.\n{full_text(self.messages(found))}"
        )

    def declined(self, found: tuple[Accident, ...]) -> DeclinedError:
        """The error for a person who has read the findings and declined, with what to do."""
        return DeclinedError("nothing was created.", hint=continuing(self.messages(found)))

    def _creates(self, reader: Reader) -> bool:
        """Whether there is anything to confirm."""
        campaign = views.campaign_id(reader, campaign_of(self._settings))
        retry = self._settings.retry_failed
        known = forecast.of_plan(
            reader, self._plan.file, campaign, self._plan.items, retry_failed=retry
        )
        failed = retry and known.counts.failed
        return bool(known.new or known.counts.pending or failed or known.set_up)
