"""What a ledger's campaigns share with a plan (table `plan.staged`): the same source, name and
flag."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from worker.folders import is_gone
from worker.ledger.handle import Reader, Writer
from worker.ledger.moved import note_fact
from worker.model.names import plain_spelling

AGREED = "agreed:"
"""What the key of this fact begins with; the campaign's name follows. Its value is the number of
the last item that there was."""


class Respelled(NamedTuple):
    """How many duplicates have another spelling of a name that was sent, and the first of them: the
    name that was `sent`, and the name that it has `now`."""

    items: int = 0
    sent: str = ""
    now: str = ""


NOT_RESPELLED = Respelled()


class Overlap(NamedTuple):
    """A campaign and what it shares with a plan.

    same      how many of the plan's duplicates it has (same source, name and flag)
    same_sent how many of those exist or may exist, because a request has left
    sent      how many of all its duplicates exist or may exist
    job, ledger: the files of its latest run
    job_gone  whether that job file no longer exists
    has_job   whether that job file is the run's own
    respelled how many of `same` have another spelling of the name
    lacking   how many of the plan's duplicates it has not sent, although other campaigns of its
              database have: if it continued with the job, it would create those a second time
    database  its database file (None: the run's own database)
    beside_job whether that file is in one of the folders that count as the job's
    has_name  whether it has the same name as the run's campaign
    """

    campaign: str
    same: int
    same_sent: int
    sent: int
    job: Path
    ledger: Path
    database: Path | None = None
    beside_job: bool = False
    has_name: bool = False
    job_gone: bool = False
    has_job: bool = False
    respelled: Respelled = NOT_RESPELLED
    lacking: int = 0


class Shared(NamedTuple):
    """What campaigns of one database share with a plan, and how many of the plan's duplicates exist
    or may exist in any of them (`sent`; each counts once)."""

    campaigns: tuple[Overlap, ...] = ()
    sent: int = 0


def sent_before(reader: Reader, campaign: str) -> bool:
    """Whether a request of this campaign has left, or a batch of it is known."""
    return reader.execute("sent_before", campaign=campaign).fetchone() is not None


def has_duplicates(reader: Reader) -> bool:
    """Whether the database has any duplicate."""
    return reader.execute("last_item").fetchone()[0] is not None


def to_create(reader: Reader, campaign: str, *, retry_failed: bool) -> int:
    """How many of the plan's duplicates (table `plan.staged`) this campaign has neither sent nor
    given up."""
    found = reader.execute("plan_to_create", campaign=campaign, retry_failed=int(retry_failed))
    return int(found.fetchone()[0])


def written_again(reader: Reader, campaign: str) -> int:
    """How many of these the campaign has never sent, although it has sent as many with the same
    sources and names that are not in the plan."""
    return int(reader.execute("plan_written_again", campaign=campaign).fetchone()[0])


def respelled(reader: Reader, campaign: str) -> Respelled:
    """Of the plan's duplicates that the campaign has never sent: how many it has sent with the same
    source and flag and another spelling of the name, of those that the plan removes from the
    job."""
    # Sorted, so that the example is the same on every engine.
    leaving = sorted(map(tuple, reader.execute("leaving", campaign=campaign)))
    if not leaving:
        return NOT_RESPELLED
    as_written = {(source_id, template, flag) for source_id, template, flag, _ in leaving}
    sent: dict[tuple[str, str, int], tuple[int, str]] = {}
    for source_id, template, flag, items in leaving:
        same = (source_id, plain_spelling(template), flag)
        before, example = sent.get(same, (0, template))
        sent[same] = before + items, example
    found = NOT_RESPELLED
    wanted = reader.execute("plan_never_sent", campaign=campaign)
    for source_id, template, flag, items in sorted(map(tuple, wanted)):
        same = (source_id, plain_spelling(template), flag)
        left, example = sent.get(same, (0, ""))
        if left and (source_id, template, flag) not in as_written:  # `written_again` has those
            again = min(left, items)
            sent[same] = left - again, example
            found = Respelled(found.items + again, found.sent or example, found.now or template)
    return found


def jobs_of_campaigns(reader: Reader) -> list[tuple[str, Path]]:
    """Every campaign and the job file of its latest run, the latest first."""
    return [(name, Path(job)) for name, job in reader.execute("campaigns_with_jobs")]


def not_created(reader: Reader, campaign: str) -> int:
    """How many of the plan's duplicates (table `plan.staged`) this campaign has not created."""
    return int(reader.execute("plan_not_created", campaign=campaign).fetchone()[0])


def shared_with(reader: Reader, campaign: str) -> Shared:
    """Every campaign that shares duplicates with the plan (table `plan.staged`) or is called
    `campaign`."""
    found = reader.execute("shared_with_plan", campaign=campaign).fetchall()
    campaigns = (
        _overlap(name, same, same_sent, sent, job, ledger)._replace(
            has_name=name == campaign, lacking=max(0, in_all - same_sent)
        )
        for name, same, same_sent, sent, job, ledger, in_all in found
    )
    return Shared(tuple(campaigns), found[0][-1] if found else 0)


def with_other_spellings(reader: Reader, shared: Sequence[Overlap]) -> tuple[Overlap, ...]:
    """What campaigns have sent of the plan (table `plan.staged`) in any spelling of the names, if
    they have sent some in another one; the rest of `shared` as it is."""
    wanted = Counter[tuple[str, str, int]]()
    written = dict[tuple[str, str, int], str]()
    as_written = set[tuple[str, str, int]]()
    for source_id, template, flag, items in sorted(map(tuple, reader.execute("plan_by_name"))):
        name = (source_id, plain_spelling(template), flag)
        wanted[name] += items
        written.setdefault(name, template)
        as_written.add((source_id, template, flag))
    sent = defaultdict[int, Counter[tuple[str, str, int]]](Counter)
    found = dict[int, Respelled]()
    for number, source_id, template, flag, items in reader.stream("sent_of_plan_sources"):
        name = (source_id, plain_spelling(template), flag)
        again = min(items, wanted[name] - sent[number][name])
        if again > 0:
            sent[number][name] += again
            if (source_id, template, flag) not in as_written:
                before = found.get(number, NOT_RESPELLED)
                found[number] = Respelled(
                    before.items + again, before.sent or template, before.now or written[name]
                )
    campaigns = {one.campaign: one for one in shared}
    for number, respelled in found.items():
        same = sent[number].total()
        name, job, ledger = reader.execute("files_of_campaign", campaign=number).fetchone()
        if (one := campaigns.get(name)) is None:
            one = _overlap(name, 0, 0, _count_sent(reader, number, 2 * same + 1), job, ledger)
        campaigns[name] = one._replace(
            same=max(one.same, same), same_sent=same, respelled=respelled
        )
    return tuple(campaigns.values())


def shared_later(reader: Reader, campaign: str, *, retry_failed: bool) -> Shared:
    """Other campaigns that share with the plan what `to_create` counts, if `campaign` has sent
    something. What they have sent counts if `campaign` never sent it, if they planned it later, or
    if they sent it after `campaign` last sent something; except what they had planned when somebody
    last agreed to it (`note_agreement`).

    This is asked every night, and there may be years of campaigns and duplicates. So only campaigns
    that ran since then are compared, and the latest one of each job (of a bounded number of jobs);
    `Overlap.sent` is counted only until it is clear whether half of it is in the plan."""
    found = reader.execute(
        "shared_with_plan_later",
        campaign=campaign,
        agreed=f"{AGREED}{campaign}",
        retry_failed=int(retry_failed),
    ).fetchall()
    if not any(same_sent for _, _, _, same_sent, *_ in found):
        return Shared()
    lacking = {one.campaign: one.lacking for one in shared_with(reader, campaign).campaigns}
    campaigns = (
        _overlap(
            name, same, same_sent, _count_sent(reader, number, 2 * same_sent + 1), job, ledger
        )._replace(lacking=lacking[name])
        for number, name, same, same_sent, job, ledger, _ in found
    )
    return Shared(tuple(campaigns), found[0][-1])


def note_agreement(writer: Writer, campaign: str) -> None:
    """Record that somebody agreed to create a second time what other campaigns have planned until
    now."""
    last = writer.execute("last_item").fetchone()[0]
    note_fact(writer, f"{AGREED}{campaign}", str(last or 0))


def _count_sent(reader: Reader, campaign: int, limit: int) -> int:
    return int(reader.execute("count_sent", campaign=campaign, limit=limit).fetchone()[0])


def _overlap(name: str, same: int, same_sent: int, sent: int, job: str, ledger: str) -> Overlap:
    path = Path(job)
    return Overlap(name, same, same_sent, sent, path, Path(ledger), job_gone=is_gone(path))
