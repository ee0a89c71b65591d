"""Merges all layers of settings into one frozen `Settings`: option, environment, job, config file,
default.

Decides which layer wins and which folder a path is relative to. `values` decides which values are
valid. The token is not known here."""

from __future__ import annotations

import datetime as dt
import unicodedata
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

from worker.model.errors import SettingsError, UsageError
from worker.model.names import NameProblem, fill_campaign
from worker.model.server_address import DatabaseLocation, ServerAddress
from worker.settings.config_file import ConfigFile, find_config, given_config
from worker.settings.file_conflicts import refuse_file_conflicts
from worker.settings.options import BY_KEY, OPTIONS, PREFIX
from worker.settings.settings import Layer, Origin, Settings, Values
from worker.settings.values import BadValueError, FilePath, Flag, ValueType
from worker.text import did_you_mean


class _Given(NamedTuple):
    """One valid value of one layer, and where it was set (`None`: it is a default)."""

    value: Any
    origin: Origin | None = None


_Layer = dict[str, _Given]

_NOTIFICATIONS = ("heartbeat_url", "metrics_file", "on_finish")


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
    """The settings of `command`. Finds and reads the config file.

    `options` are the values from argparse (`None`: not given; keys that are not options of the
    command are ignored), `job` is the job file if there is one, `job_campaign` the campaign that a
    YAML job names. Checks every value, also one that another layer overrides. Raises `UsageError`
    with all problems, one on each line; each begins with its option, its variable or `FILE:LINE:
    key`."""
    problems: list[UsageError] = []
    from_options = _from_options(command, options, cwd, problems)
    from_environ = _from_environ(environ, cwd, problems)
    file = _config_file(from_environ | from_options, cwd, problems)
    from_file = _from_file(file, problems) if file else {}
    if problems:
        raise SettingsError(problems)

    from_job = {}
    if job_campaign is not None:
        from_job["campaign"] = _Given(job_campaign, Origin(Layer.JOB, f"{job}: campaign"))
    home = file.path.parent if file else (cwd / job).parent if job else cwd
    merged = _defaults(home, today) | from_file | from_job | from_environ | from_options
    left_out: tuple[str, ...] = ()
    if merged["sandbox"].value:
        # A rehearsal must never touch real files, whatever the environment or the config file
        # names. It has files of its own, in the folder of the database that a real run would use.
        # Nor is it a sign of life: a monitor would take it for a real run.
        own = _sandbox_values(_sandbox_folder(merged["database"].value, home))
        own |= {key: from_options[key] for key in own if key in from_options}
        left_out = tuple(key for key in _NOTIFICATIONS if merged[key].value and not own[key].value)
        merged |= own

    given = merged["campaign"]
    values = {key: merged[key].value for key in _SETTINGS}
    values["campaign"] = _campaign(command, given, values["date"], job)
    settings = Settings(
        **values,
        config_file=file.path if file else None,
        job_stem=None if job is None else unicodedata.normalize("NFC", job.stem).strip(),
        left_out=left_out,
        campaign_dated="{date" in str(given.value or (job and job.stem)),
        origins={key: one.origin for key, one in merged.items() if one.origin is not None},
    )
    if settings.fresh and not settings.sandbox:
        raise UsageError(
            f"{settings.origin('fresh')}: only forgets rehearsals, so it needs --sandbox",
            hint="To create new copies of the same batches, use a new campaign: --campaign NAME.",
        )
    refuse_file_conflicts(settings, cwd / job if job else None)
    return settings


# -- the layers


def _from_options(
    command: str, options: Mapping[str, object], cwd: Path, problems: list[UsageError]
) -> _Layer:
    layer: _Layer = {}
    for option in OPTIONS:
        written = options.get(option.key)
        if written is not None and command in option.commands:
            layer |= _read(option.key, written, Origin(Layer.OPTION, option.flag), cwd, problems)
    return layer


def _from_environ(environ: Mapping[str, str], cwd: Path, problems: list[UsageError]) -> _Layer:
    layer: _Layer = {}
    known = {option.key.upper(): option for option in OPTIONS if "environment" in option.sources}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        name = variable.removeprefix(PREFIX)
        if name in known:
            origin = Origin(Layer.ENVIRONMENT, variable)
            layer |= _read(known[name].key, environ[variable], origin, cwd, problems)
        else:
            why = _misplaced(name) or _unknown(name, known, PREFIX)
            problems.append(UsageError(f"{variable}: {why}"))
    return layer


def _config_file(layers: _Layer, cwd: Path, problems: list[UsageError]) -> ConfigFile | None:
    given = layers.get("config")
    try:
        if given is None or given.origin is None:
            return find_config(cwd)
        return given_config(given.value, given.origin.location, cwd)
    except UsageError as error:
        problems.append(error)
        return None


def _from_file(file: ConfigFile, problems: list[UsageError]) -> _Layer:
    layer: _Layer = {}
    for key, value in file.values.items():
        origin = Origin(Layer.FILE, file.location(key))
        if why := _misplaced(key) or _unfit(key, value):
            problems.append(UsageError(f"{origin.location}: {why}"))
        else:
            layer |= _read(key, value, origin, file.path.parent, problems)
    return layer


def _defaults(home: Path, today: dt.date) -> _Layer:
    layer = {key: _Given(None) for key in _SETTINGS}
    for key in _SETTINGS:
        if (default := BY_KEY[key].default) is not None:
            layer[key] = _Given(value_type(key).from_toml(default, home))
    return layer | {"date": _Given(today)}


def _sandbox_folder(database: DatabaseLocation, home: Path) -> Path:
    """The folder for the files of rehearsals: the database's, if it is a file."""
    if isinstance(database, ServerAddress):
        return (home / str(BY_KEY["database"].default)).parent
    return database.parent


def _sandbox_values(folder: Path) -> _Layer:
    """What only an option changes in a rehearsal."""
    return {
        "database": _Given(folder / "sandbox.db"),
        "ledger": _Given(str(folder / "sandbox" / "{campaign}.csv")),
        **{key: _Given(None) for key in _NOTIFICATIONS},
    }


# -- one value

_TYPES = get_type_hints(Values, include_extras=True)
_SETTINGS = tuple(_TYPES)


@cache
def value_type(key: str) -> ValueType:
    """The reader of the values of the setting `key`."""
    return ValueType((_TYPES | {"config": FilePath, "dry_run": Flag})[key])


def _read(
    key: str, written: object, origin: Origin, folder: Path, problems: list[UsageError]
) -> _Layer:
    """The value `written` at `origin`, as a layer with one value; an invalid value adds a problem
    and returns an empty layer. A path is relative to `folder`."""
    kind = value_type(key)
    try:
        # argparse has turned flags into booleans; every other option is text.
        native = origin.layer is Layer.FILE or isinstance(written, bool)
        value = kind.from_toml(written, folder) if native else kind.from_text(str(written), folder)
    except BadValueError as error:
        problems.append(UsageError(f"{origin.location}: {error}"))
        return {}
    return {key: _Given(value, origin)}


def _unfit(key: str, value: object) -> str | None:
    """Why a config file cannot contain this key with this value; None if it can."""
    if isinstance(value, dict) or (
        isinstance(value, list) and any(isinstance(one, dict) for one in value)
    ):
        return 'is a section or a dotted key; write each key on its own line, as in rate = "5/s"'
    return None if key in _SETTINGS else _unknown(key, _SETTINGS)


def _unknown(name: str, known: Mapping[str, object] | tuple[str, ...], prefix: str = "") -> str:
    return f"there is no such setting.{did_you_mean(name, known, prefix)}"


def _misplaced(name: str) -> str | None:
    """What to do about the setting `name`, if it is a real one in the wrong place. Never shows its
    value."""
    plain = name.lower().replace("-", "_")
    if plain.endswith(("token", "api_key")):
        return (
            "the token is not a setting; put it in the variable PROLIFIC_TOKEN, or in a file whose"
            " path you set as token_file"
        )
    if plain.endswith("url") and plain not in BY_KEY:
        return "is not a setting; set the API's address in the variable PROLIFIC_URL"
    if plain == "config":
        return f"can only be set with --config or {PREFIX}CONFIG"
    if plain == "dry_run":
        return "can only be given as --dry-run"
    return None


# -- the campaign


def _campaign(command: str, given: _Given, date: dt.date, job: Path | None) -> str | None:
    if given.origin is not None:
        try:
            return fill_campaign(str(given.value), date)
        except NameProblem as problem:
            raise UsageError(f"{given.origin.location}: {problem}") from None
    if job is None:
        return None
    try:
        return fill_campaign(job.stem, date)
    except NameProblem as problem:
        if command not in {"run", "check"}:
            return None  # the job's latest run names its campaign
        raise UsageError(
            f"{job}: the file's name cannot be used as the campaign: {problem}",
            hint="Rename the file, or name the campaign with --campaign NAME. If this is another"
            " copy of a job file, use that file's name.",
        ) from None
