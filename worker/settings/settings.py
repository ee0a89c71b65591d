"""`Settings`: the validated values that a command uses, each with its origin. `load` creates
them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from worker.model.server_address import ServerAddress
from worker.settings.options import BY_KEY
from worker.settings.values import (
    BatchUrl,
    CommandLine,
    Concurrency,
    Count,
    DatabasePlace,
    Date,
    FilePath,
    Flag,
    HeartbeatUrl,
    LedgerPath,
    LogFormat,
    Name,
    ProgressMode,
    Rate,
    Seconds,
    TimeLimit,
)


class Layer(Enum):
    """Where a value can be set; a default has no layer."""

    OPTION = "option"
    ENVIRONMENT = "environment"
    JOB = "job"
    FILE = "file"


class Origin(NamedTuple):
    """Where a value was set: its layer, and its location as messages name it (`--rate`,
    `config.toml:3: rate`)."""

    layer: Layer
    location: str


@dataclass(frozen=True, slots=True)
class Values:
    """One value for each setting that a config file can contain. Durations are in seconds, `rate`
    is in requests per second (`None`: unlimited), paths are absolute."""

    campaign: Name | None
    ledger: LedgerPath
    database: DatabasePlace
    rate: Rate
    max_in_flight: Concurrency
    timeout: TimeLimit
    settle_after: Seconds
    give_up_after: Seconds
    retry_failed: Flag
    limit: Count | None
    max_duration: Seconds | None
    max_failed: Count | None
    wait: Seconds
    follow: Seconds
    yes: Flag
    allow_existing: Flag
    date: Date
    sandbox: Flag
    fresh: Flag
    report: Flag
    json: Flag
    log_file: FilePath | None
    log_format: LogFormat
    progress: ProgressMode
    quiet: Flag
    heartbeat_url: HeartbeatUrl | None
    metrics_file: FilePath | None
    on_finish: CommandLine | None
    batch_url: BatchUrl | None
    token_file: FilePath | None


@dataclass(frozen=True, slots=True)
class Settings(Values):
    """The settings of one command.

    `campaign` is filled in; it is `None` if neither a job nor a setting names one. `ledger` is the
    ledger file's path with its placeholders: call `ledger_path` for the path of a run. `origins`
    has an entry for each key that was set."""

    config_file: Path | None
    job_stem: str | None = None
    """The job file's name without its extension."""
    campaign_dated: bool = False
    """Whether the campaign's name contains {date}."""
    left_out: tuple[str, ...] = ()
    """The keys of the notifications that are set, but not used because this is a rehearsal."""
    origins: Mapping[str, Origin] = field(default_factory=dict, compare=False, repr=False)

    @property
    def rehearsals(self) -> Path | None:
        """The database of rehearsals; None if it is not beside the ledger database."""
        if isinstance(self.database, ServerAddress):
            return None
        return self.database.with_name("sandbox.db")

    @property
    def ledger_template(self) -> str:
        """The ledger file's path with `{campaign}` and `{date}` filled in. `{run_id}` stays, and
        `{campaign}` too if no campaign is named."""
        named = self.ledger
        if self.campaign is not None:
            named = named.replace("{campaign}", self.campaign)
        return named.replace("{date}", self.date.isoformat())

    def ledger_path(self, run_id: str) -> Path:
        """The ledger file of the run `run_id` of this campaign.

        Raises `ValueError` if the path needs a campaign and there is none."""
        if self.campaign is None and "{campaign}" in self.ledger:
            raise ValueError("the ledger's path needs a campaign")
        return Path(self.ledger_template.replace("{run_id}", run_id))

    def ledger_path_of(self, run_id: str, campaign: str, date: str | None) -> Path:
        """The ledger file of the run `run_id` of another campaign, by these settings. `date` is the
        value of `{date}` there (None: today's)."""
        day = self.date.isoformat() if date is None or self.is_set("date") else date
        named = self.ledger.replace("{campaign}", campaign).replace("{date}", day)
        return Path(named.replace("{run_id}", run_id))

    @property
    def names_campaign(self) -> bool:
        """Whether the campaign was named on purpose, or is a new one each day. Otherwise its name
        is that of the job file, even if it is given explicitly, as in every command that people are
        shown."""
        return self.campaign_dated or (self.is_set("campaign") and self.campaign != self.job_stem)

    @property
    def asks_for_campaign(self) -> bool:
        """Whether this command was given one campaign, by name or by the date in it. A name that is
        set for all commands and contains {date} means today's campaign, so it does not count."""
        return (
            self.is_set("date")
            or self.is_set("campaign", Layer.OPTION)
            or (self.is_set("campaign", Layer.ENVIRONMENT) and not self.campaign_dated)
        )

    def is_set(self, key: str, *layers: Layer) -> bool:
        """Whether the setting was set by any layer, or by one of `layers` if any are given."""
        origin = self.origins.get(key)
        return origin is not None and (not layers or origin.layer in layers)

    def given(self, key: str) -> bool:
        """Whether an option or an environment variable sets it."""
        return self.is_set(key, Layer.OPTION, Layer.ENVIRONMENT)

    def origin(self, key: str) -> str:
        """The name of the setting `key` in a message: where it was set, or else its option."""
        origin = self.origins.get(key)
        return BY_KEY[key].flag if origin is None else origin.location
