"""Looks for accidents on behalf of `run` and `check`, and stands before a run that nobody has
agreed to.

The settings go in; findings, messages and refusals come out. What an accident is,
`worker.accidents` decides."""

from __future__ import annotations

from pathlib import Path

from worker.accidents import facts
from worker.accidents.message import Asked, Message, continuing, full_text, messages
from worker.accidents.rules import Accident, Situation, accidents
from worker.cli.ask import has_person
from worker.cli.common import campaign_of, invocation
from worker.job.plan import Plan
from worker.ledger import views
from worker.ledger.handle import Reader
from worker.model.errors import AccidentError, DeclinedError, UsageError
from worker.model.job import Job
from worker.settings.settings import Settings


def situation_of(
    reader: Reader, settings: Settings, job: Job, plan: Plan, api_url: str
) -> Situation | None:
    """What is known before the API is asked; None if nothing counts as an accident: in the sandbox,
    or with `--allow-existing`. Raises sqlite3.Error."""
    if settings.sandbox or settings.allow_existing:
        return None
    return facts.situation(
        reader,
        plan,
        job,
        campaign_of(settings),
        settings.date,
        named=settings.names_campaign,
        dated=settings.campaign_dated,
        database=settings.database,
        api_url=api_url,
    )


def messages_for(found: tuple[Accident, ...], settings: Settings, job: Path) -> list[Message]:
    """The messages about the findings, with the commands that continue what they name."""
    moved = None if settings.is_set("database") else settings.config_file
    return messages(
        found,
        Asked(
            job=Path.cwd() / job,
            campaign=campaign_of(settings),
            ledger=settings.ledger_path("{run_id}"),
            database=settings.database,
            # Another campaign has a ledger file of its own, whatever --ledger says.
            invocation=invocation(settings, run=True)._replace(ledger=None),
            date=settings.date.isoformat() if settings.is_set("date") else None,
            moved_by=moved,
        ),
    )


class Guard:
    """Stands before one run of a job that was planned."""

    def __init__(self, settings: Settings, job: Job, plan: Plan, api_url: str) -> None:
        self._settings = settings
        self._job = job
        self._plan = plan
        self._api_url = api_url
        # Once for the whole run: a terminal may go away, and nobody has agreed then.
        self.asks = not settings.yes and has_person()
        self.situation: Situation | None = None
        """What `look` found out; None if nothing counts as an accident."""

    def look(self, reader: Reader) -> None:
        """Look at what the ledgers know, before anything is sent or recorded.

        Raises AccidentError if it looks like an accident and UsageError if a person has to agree,
        where nobody can be asked; sqlite3.Error."""
        self.situation = situation_of(reader, self._settings, self._job, self._plan, self._api_url)
        if self.asks:
            return
        if self.situation is not None and (found := accidents(self.situation)):
            raise self.refusal(found)
        if not self._settings.yes and not self._settings.sandbox and self._creates(reader):
            raise UsageError(
                "there is no terminal to ask for confirmation",
                hint="Nothing was sent. Add --yes to create the duplicates without asking.",
            )

    def messages(self, found: tuple[Accident, ...]) -> list[Message]:
        """The messages about the findings."""
        return messages_for(found, self._settings, self._job.path)

    def refusal(self, found: tuple[Accident, ...]) -> AccidentError:
        """Why nothing is created, and what to do."""
        return AccidentError(
            "nothing was created: these duplicates seem to exist"
            f" already.\n{full_text(self.messages(found))}"
        )

    def declined(self, found: tuple[Accident, ...]) -> DeclinedError:
        """What to do for a person who has read the findings and said no."""
        return DeclinedError("nothing was created.", hint=continuing(self.messages(found)).lstrip())

    def _creates(self, reader: Reader) -> bool:
        """Whether there is something that a person would be asked about."""
        campaign = views.campaign_id(reader, campaign_of(self._settings))
        retry = self._settings.retry_failed
        known = views.forecast(
            reader, self._plan.file, campaign, self._plan.items, retry_failed=retry
        )
        return bool(known.new or known.counts.pending or (retry and known.counts.failed))
