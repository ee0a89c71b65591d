"""All the layers of settings become one frozen `Settings`: option, environment, job, config file,
default.

Decides which layer wins and which folder a path belongs to. How a single value is read is in
`parse`; no file is opened here, and the token is not known here."""

from __future__ import annotations

import datetime as dt
import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

from worker.model.errors import UsageError
from worker.settings.config_file import ConfigFile, find_config, given_config
from worker.settings.options import BY_KEY, OPTIONS, PREFIX, Option
from worker.settings.parse import BadValueError, Value, did_you_mean, from_text, from_toml


@dataclass(frozen=True, slots=True)
class Settings:
    """What a command goes by. Durations are in seconds, `rate` in requests a second (`None`:
    unlimited), paths absolute. `campaign` is filled, and `None` where neither a job nor a setting
    names one.

    `ledger_written` is the ledger file's path with its placeholders, `ledger_template` with
    `{run_id}` alone (and `{campaign}`, where there is no campaign): ask `ledger_path` for the path.
    `origins` says of each key that was set where that is written."""

    campaign: str | None
    ledger_written: str
    ledger_template: str
    database: Path
    rate: float | None
    max_in_flight: int
    timeout: float
    settle_after: float
    give_up_after: float
    retry_failed: bool
    limit: int | None
    max_duration: float | None
    max_failed: int | None
    wait: float
    yes: bool
    allow_existing: bool
    date: dt.date
    sandbox: bool
    fresh: bool
    report: bool
    json: bool
    log_file: Path | None
    log_format: Literal["auto", "console", "json"]
    progress: Literal["auto", "never"]
    quiet: bool
    token_file: Path | None
    config_file: Path | None
    job_stem: str | None = None
    """The job file's name without its ending."""
    campaign_dated: bool = False
    """Whether the campaign's name holds {date}."""
    origins: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)

    def ledger_path(self, run_id: str) -> Path:
        """The ledger file of the run `run_id` of this campaign.

        Raises `ValueError` if the path needs a campaign and there is none."""
        if self.campaign is None and "{campaign}" in self.ledger_template:
            raise ValueError("the ledger's path needs a campaign")
        return Path(self.ledger_template.replace("{run_id}", run_id))

    def ledger_path_of(self, run_id: str, campaign: str, date: str | None) -> Path:
        """The ledger file, as these settings name it, of the run `run_id` of another campaign;
        `date` is the value of `{date}` there (None: today's)."""
        day = self.date.isoformat() if date is None or "date" in self.origins else date
        named = self.ledger_written.replace("{campaign}", campaign).replace("{date}", day)
        return Path(named.replace("{run_id}", run_id))

    @property
    def names_campaign(self) -> bool:
        """Whether the campaign was named on purpose, or is a new one each day: otherwise its name
        is the job file's, also if it is written out, as in every command that people are shown."""
        return self.campaign_dated or (
            "campaign" in self.origins and self.campaign != self.job_stem
        )

    @property
    def asks_for_campaign(self) -> bool:
        """Whether this command was asked for one campaign: by its name, or by the date in it. A
        name that is set for all commands and holds {date} is today's, and so asks for none."""
        origin = self.origins.get("campaign", "")
        return (
            "date" in self.origins
            or origin == BY_KEY["campaign"].flag
            or (origin.startswith(PREFIX) and not self.campaign_dated)
        )

    def given(self, key: str) -> bool:
        """Whether an option says the setting, or an environment variable; not the config file, the
        job or the default."""
        return self.origins.get(key, "").startswith(("--", PREFIX))

    def origin(self, key: str) -> str:
        """How to name the setting `key` in a message: where it was set, or else its option."""
        return self.origins.get(key) or BY_KEY[key].flag


class _Given(NamedTuple):
    """One value of one layer, and where it is written (empty for a default). Paths are absolute
    already."""

    value: Value | Path
    origin: str


_Layer = dict[str, _Given]


def load_settings(
    command: str,
    options: Mapping[str, object],
    environ: Mapping[str, str],
    *,
    job: Path | None,
    job_campaign: str | None,
    today: dt.date,
    cwd: Path,
) -> Settings:
    """The settings of `command`, also from the config file, which this finds and reads.

    `options` is what argparse gave (`None` is not given; what is no option of the command does not
    count), `job` the job file if there is one, `job_campaign` what a YAML job says. Every value
    that is written anywhere is checked, also one that another layer overrides. Raises `UsageError`
    with all problems, one a line, each beginning with the option, variable or `FILE:LINE: key` that
    it is about."""
    problems: list[str] = []
    from_options = _from_options(command, options, cwd, problems)
    from_environ = _from_environ(environ, cwd, problems)
    file = _config_file(from_environ | from_options, cwd, problems)
    from_file = _from_file(file, problems) if file else {}
    _stop_for(problems)

    from_job = (
        {} if job_campaign is None else {"campaign": _Given(job_campaign, f"{job}: campaign")}
    )
    home = file.path.parent if file else (cwd / job).parent if job else cwd
    merged = _defaults(home, today) | from_file | from_job | from_environ | from_options
    if merged["sandbox"].value:
        merged |= _sandbox_paths(merged["database"]) | {
            key: given for key, given in from_options.items() if key in {"database", "ledger"}
        }

    values: dict[str, Any] = {
        key: given.value for key, given in merged.items() if key not in _COMMAND_LINE_ONLY
    }
    values["campaign"] = _campaign(command, merged["campaign"], values["date"], job)
    settings = Settings(
        ledger_written=str(values["ledger"]),
        ledger_template=_fill(values.pop("ledger"), values["campaign"], values["date"]),
        config_file=file.path if file else None,
        job_stem=None if job is None else unicodedata.normalize("NFC", job.stem).strip(),
        campaign_dated="{date" in str(merged["campaign"].value or (job and job.stem)),
        origins={key: given.origin for key, given in merged.items() if given.origin},
        **values,
    )
    if settings.fresh and not settings.sandbox:
        raise UsageError(
            f"{settings.origin('fresh')}: only forgets rehearsals, so it needs --sandbox",
            hint="For new copies of the same batches, name a new campaign: --campaign NAME.",
        )
    _check_apart(settings, cwd / job if job else None)
    return settings


_COMMAND_LINE_ONLY = frozenset(option.key for option in OPTIONS if "file" not in option.sources)


def _stop_for(problems: list[str]) -> None:
    if problems:
        raise UsageError("\n".join(problems))


# -- the layers


def _from_options(
    command: str, options: Mapping[str, object], cwd: Path, problems: list[str]
) -> _Layer:
    layer: _Layer = {}
    for option in OPTIONS:
        written = options.get(option.key)
        if written is not None and command in option.commands:
            # Options are text, but argparse has turned flags into what a config file would hold.
            read = from_toml if option.kind == "flag" else from_text
            layer |= _read(read, option, written, origin=option.flag, folder=cwd, problems=problems)
    return layer


def _from_environ(environ: Mapping[str, str], cwd: Path, problems: list[str]) -> _Layer:
    layer: _Layer = {}
    known = {option.key.upper(): option for option in OPTIONS if "environment" in option.sources}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        name = variable.removeprefix(PREFIX)
        if option := known.get(name):
            layer |= _read(
                from_text, option, environ[variable], origin=variable, folder=cwd, problems=problems
            )
        else:
            why = (
                _misplaced(name) or f"there is no such setting.{did_you_mean(name, known, PREFIX)}"
            )
            problems.append(f"{variable}: {why}")
    return layer


def _config_file(layers: _Layer, cwd: Path, problems: list[str]) -> ConfigFile | None:
    given = layers.get("config")
    try:
        if given is None:
            return find_config(cwd)
        assert isinstance(given.value, Path)
        return given_config(given.value, given.origin, cwd)
    except UsageError as error:
        problems.append(str(error))
        return None


def _from_file(file: ConfigFile, problems: list[str]) -> _Layer:
    layer: _Layer = {}
    known = {option.key: option for option in OPTIONS if "file" in option.sources}
    for key, value in file.values.items():
        origin = file.place(key)
        if why := _misplaced(key):
            problems.append(f"{origin}: {why}")
        elif _is_section(value):
            problems.append(
                f"{origin}: is a section or a dotted key; write each key by itself, as in rate ="
                ' "5/s"'
            )
        elif option := known.get(key):
            layer |= _read(
                from_toml, option, value, origin=origin, folder=file.path.parent, problems=problems
            )
        else:
            problems.append(f"{origin}: there is no such setting.{did_you_mean(key, known)}")
    return layer


def _defaults(home: Path, today: dt.date) -> _Layer:
    defaults = {option.key: _default(option, home) for option in OPTIONS}
    return {key: _Given(value, "") for key, value in defaults.items()} | {"date": _Given(today, "")}


def _default(option: Option, home: Path) -> Value | Path:
    return (
        None
        if option.default is None
        else _located(option, from_toml(option, option.default), home)
    )


def _read(
    read: Callable[[Option, Any], Value],
    option: Option,
    written: object,
    *,
    origin: str,
    folder: Path,
    problems: list[str],
) -> _Layer:
    """What is `written` at `origin` as a layer of one value; a bad one makes none, and one more
    problem."""
    try:
        return {option.key: _Given(_located(option, read(option, written), folder), origin)}
    except BadValueError as error:
        problems.append(f"{origin}: {error}")
        return {}


def _located(option: Option, value: Value, folder: Path) -> Value | Path:
    """`value`; of a path, the path from `folder` on (the ledger's as text, it has placeholders)."""
    if option.kind not in {"path", "ledger"}:
        return value
    assert isinstance(value, str)
    try:
        path = folder / Path(value).expanduser()
    except RuntimeError:
        raise BadValueError("begins with ~ and a user whose home folder is not known") from None
    return str(path) if option.kind == "ledger" else path


def _is_section(value: object) -> bool:
    return isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(item, dict) for item in value)
    )


def _misplaced(name: str) -> str | None:
    """What to do with the setting `name` where it is a real one in the wrong place. Never shows its
    value."""
    plain = name.lower().replace("-", "_")
    if plain.endswith(("token", "api_key")):
        return (
            "a token is not a setting; put it in the variable PROLIFIC_TOKEN, or in a file of its"
            " own and that file's path in token_file"
        )
    if plain.endswith("url"):
        return "the API's address is set by the variable PROLIFIC_URL"
    if plain == "config":
        return f"can only be set as --config or {PREFIX}CONFIG"
    if plain == "dry_run":
        return "can only be given as --dry-run"
    return None


# -- what settings mean to each other


def _sandbox_paths(database: _Given) -> _Layer:
    """A sandbox run's own database and ledger, in the folder of the `database` that a real run
    would use.

    Whatever real ones the environment or the config file names, a rehearsal must not touch them."""
    assert isinstance(database.value, Path)
    folder = database.value.parent
    return {
        "database": _Given(folder / "sandbox.db", ""),
        "ledger": _Given(str(folder / "sandbox" / "{campaign}.csv"), ""),
    }


def _campaign(command: str, given: _Given, date: dt.date, job: Path | None) -> str | None:
    from worker.model.names import NameProblem, fill_campaign  # noqa: PLC0415 - the job's own rule

    if given.origin:
        try:
            return fill_campaign(str(given.value), date)
        except NameProblem as problem:
            raise UsageError(f"{given.origin}: {problem}") from None
    if job is None:
        return None
    try:
        return fill_campaign(job.stem, date)
    except NameProblem as problem:
        if command not in {"run", "check"}:
            return None  # the campaign is that of the job's latest run, which had a name of its own
        raise UsageError(
            f"{job}: the file's name is no campaign: {problem}",
            hint="Name the campaign with --campaign NAME.",
        ) from None


def _fill(ledger: str, campaign: str | None, date: dt.date) -> str:
    named = ledger if campaign is None else ledger.replace("{campaign}", campaign)
    return named.replace("{date}", date.isoformat())


def _check_apart(settings: Settings, job: Path | None) -> None:
    """Raise `UsageError` where a file that is written is also another that is written or read."""
    of_database = f"a file that belongs to that of {settings.origin('database')}"
    seen = {
        _file_id(settings.database.with_name(settings.database.name + end)): of_database
        for end in _DATABASE_ENDS
    }
    read = {
        "the job file": job,
        "the config file": settings.config_file,
        "the token file": settings.token_file,
    }
    written = {
        "database": settings.database,
        "ledger": Path(settings.ledger_template),
        "log_file": settings.log_file,
    }
    for label, path in (
        read | {settings.origin(key): path for key, path in written.items()}
    ).items():
        if path is None:
            continue
        name = _file_id(path)
        if name in seen and label not in read:
            raise UsageError(f"{label}: is the same file as {seen[name]}")
        seen.setdefault(name, label if label in read else f"that of {label}")


_DATABASE_ENDS = ("-wal", "-shm", "-journal", ".lock")


def _file_id(path: Path) -> tuple[int, int] | str:
    """What is the same for two paths of one file: its number, or where there is none yet, its path
    without links."""
    try:
        found = path.stat()
        return found.st_dev, found.st_ino
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(path))
