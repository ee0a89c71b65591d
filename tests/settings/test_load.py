"""Which layer wins, which folder a path belongs to, and what a sandbox run may touch."""

from __future__ import annotations

import datetime as dt
import itertools
from pathlib import Path

import pytest

from tests.settings.support import TODAY, load
from worker.settings.load import load_settings

LAYERS = ("option", "environment", "job", "file")


@pytest.mark.parametrize("present", list(itertools.product([True, False], repeat=4)))
def test_precedence(tmp_path: Path, present: tuple[bool, ...]) -> None:
    option, environment, job, file = present
    settings = load(
        tmp_path,
        ["--campaign=option"] if option else [],
        {"DUPLICATE_BATCHES_CAMPAIGN": "environment"} if environment else {},
        'campaign = "file"' if file else None,
        job_campaign="job" if job else None,
    )
    expected = next((layer for layer, there in zip(LAYERS, present, strict=True) if there), "wave")
    assert settings.campaign == expected


@pytest.mark.parametrize(
    ("layers", "rate", "origin"),
    [
        ((["--rate=1/s"], {"DUPLICATE_BATCHES_RATE": "2/s"}, 'rate = "3/s"'), 1, "--rate"),
        (([], {"DUPLICATE_BATCHES_RATE": "2/s"}, 'rate = "3/s"'), 2, "DUPLICATE_BATCHES_RATE"),
        (([], {}, '\nrate = "3/s"'), 3, "config.toml:2: rate"),
        (([], {}, ""), 5, "--rate"),
        ((["--rate=unlimited"], {}, 'rate = "3/s"'), None, "--rate"),
    ],
)
def test_precedence_of_a_value_and_its_origin(
    tmp_path: Path, layers: tuple[list[str], dict[str, str], str], rate: float | None, origin: str
) -> None:
    settings = load(tmp_path, *layers)
    assert settings.rate == rate
    assert settings.origin("rate") == origin


def test_defaults(tmp_path: Path) -> None:
    settings = load(tmp_path)
    assert (settings.rate, settings.max_in_flight, settings.timeout) == (5, 16, 60)
    assert (settings.settle_after, settings.give_up_after, settings.wait) == (30, 900, 0)
    assert (settings.limit, settings.max_duration, settings.max_failed) == (None, None, None)
    assert (settings.log_file, settings.token_file, settings.config_file) == (None, None, None)
    assert (settings.log_format, settings.progress) == ("auto", "auto")
    assert not any(
        [settings.yes, settings.json, settings.quiet, settings.report, settings.retry_failed]
    )
    assert settings.date == TODAY
    assert settings.origins == {}


@pytest.mark.parametrize(
    ("text", "rate"),
    [
        ("5/s", 5),
        ("30/min", 0.5),
        ("0.2/s", 0.2),
        ("10000/s", 10_000),
        ("1/min", 1 / 60),
        ("unlimited", None),
    ],
)
def test_rates(tmp_path: Path, text: str, rate: float | None) -> None:
    assert load(tmp_path, ["--rate", text]).rate == rate


@pytest.mark.parametrize("text", ["true", "YES", "1"])
def test_true_in_the_environment(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, environ={"DUPLICATE_BATCHES_YES": text}).yes
    assert not load(tmp_path, ["--no-yes"], {"DUPLICATE_BATCHES_YES": text}).yes


@pytest.mark.parametrize("text", ["false", "No", "0"])
def test_false_in_the_environment(tmp_path: Path, text: str) -> None:
    assert not load(tmp_path, environ={"DUPLICATE_BATCHES_YES": text}, config="yes = true").yes


@pytest.mark.parametrize(
    "address",
    [
        "https://example.org/batches/{id}",
        "https://example.org:8443/?batch={id}#{id}",
        "http://localhost:8000/{id}",
        "http://[::1]/{id}",
    ],
)
def test_the_address_of_a_batch(tmp_path: Path, address: str) -> None:
    assert load(tmp_path).batch_url is None
    assert load(tmp_path, config=f'batch_url = "{address}"').batch_url == address
    environ = {"DUPLICATE_BATCHES_BATCH_URL": address}
    assert load(tmp_path, environ=environ).batch_url == address


def test_native_values_of_a_config_file(tmp_path: Path) -> None:
    settings = load(tmp_path, config="date = 2025-01-02\ntimeout = 2.5\nwait = 604800\nlimit = 7\n")
    assert (settings.date, settings.timeout, settings.wait) == (dt.date(2025, 1, 2), 2.5, 604_800.0)
    assert settings.limit == 7
    assert load(tmp_path, config='date = "2025-01-02"').date == dt.date(2025, 1, 2)


def test_other_variables_do_not_matter(tmp_path: Path) -> None:
    assert (
        load(tmp_path, environ={"PROLIFIC_TOKEN": "x", "PATH": "/bin", "DUPLICATE": "1"}).origins
        == {}
    )


def test_what_is_no_option_of_the_command_does_not_count(tmp_path: Path) -> None:
    options = {"report": "out.html", "format": "csv", "rate": "nonsense", "job": Path("wave.csv")}
    settings = load_settings(
        "ledger", options, {}, job=Path("wave.csv"), job_campaign=None, today=TODAY, cwd=tmp_path
    )
    assert (settings.report, settings.rate) == (False, 5)


# -- where the config file is found


def test_the_named_config_goes_before_the_others(tmp_path: Path, home: Path) -> None:
    (tmp_path / "a.toml").write_text("limit = 1")
    (tmp_path / "b.toml").write_text("limit = 2")
    users = home / "xdg" / "duplicate-batches" / "config.toml"
    users.parent.mkdir(parents=True)
    users.write_text("limit = 4")
    variable = {"DUPLICATE_BATCHES_CONFIG": "b.toml"}
    assert load(tmp_path).limit == 4
    assert load(tmp_path).config_file == users
    assert load(tmp_path, config="limit = 3").limit == 3
    assert load(tmp_path, [], variable).limit == 2
    assert load(tmp_path, ["--config=a.toml"], variable).limit == 1
    (home / "mine.toml").write_text("limit = 5")
    assert load(tmp_path, ["--config=~/mine.toml"]).limit == 5


# -- paths


def test_defaults_lie_by_the_job_where_there_is_no_config(tmp_path: Path) -> None:
    settings = load(tmp_path, job="jobs/wave.csv")
    assert settings.database == tmp_path / "jobs/ledgers/ledger.db"
    assert settings.ledger_path("r1") == tmp_path / "jobs/ledgers/wave.csv"


def test_defaults_lie_by_the_config_where_there_is_one(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "c.toml").touch()
    settings = load(tmp_path, ["--config=conf/c.toml"], job="jobs/wave.csv")
    assert settings.database == tmp_path / "conf/ledgers/ledger.db"
    assert settings.ledger_path("r1") == tmp_path / "conf/ledgers/wave.csv"


def test_defaults_lie_here_where_there_is_no_job_either(tmp_path: Path) -> None:
    settings = load(tmp_path, job=None, command="ledger")
    assert settings.database == tmp_path / "ledgers/ledger.db"
    assert settings.campaign is None


@pytest.mark.parametrize("job", ["jobs/wave.csv", "wave.csv", "/elsewhere/wave.csv"])
def test_cron_and_a_person_elsewhere_meet_the_same_ledger(tmp_path: Path, job: str) -> None:
    config = tmp_path / "config.toml"
    config.touch()
    (tmp_path / "sub").mkdir()
    here = load(tmp_path, job=job)
    there = load(tmp_path / "sub", ["--config=../config.toml"], job=job)
    assert isinstance(there.database, Path)
    assert there.database.resolve() == here.database


def test_each_path_belongs_to_where_it_is_written(tmp_path: Path, home: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "c.toml").write_text(
        'database = "db/x.db"\nlog_file = "~/x.log"\ntoken_file = "secret/token"\nledger ='
        ' "file.csv"'
    )
    settings = load(
        tmp_path,
        ["--config=conf/c.toml", "--ledger=out/{campaign}_{date}_{run_id}.xlsx"],
        {"DUPLICATE_BATCHES_TOKEN_FILE": "token"},
        job="jobs/wave.csv",
    )
    assert settings.database == tmp_path / "conf/db/x.db"
    assert settings.log_file == home / "x.log"
    assert settings.token_file == tmp_path / "token"
    assert settings.ledger_template == str(tmp_path / "out/wave_2026-03-31_{run_id}.xlsx")
    assert settings.ledger_path("r1") == tmp_path / "out/wave_2026-03-31_r1.xlsx"


@pytest.mark.parametrize("source", ["option", "environment"])
def test_home_and_absolute_paths(tmp_path: Path, home: Path, source: str) -> None:
    values = {"database": "~/a.db", "ledger": "/far/l.csv"}
    if source == "option":
        settings = load(tmp_path, [f"--{key}={value}" for key, value in values.items()])
    else:
        settings = load(
            tmp_path,
            environ={f"DUPLICATE_BATCHES_{key.upper()}": value for key, value in values.items()},
        )
    assert settings.database == home / "a.db"
    assert settings.ledger_path("r") == Path("/far/l.csv")


# -- campaign


def test_campaign_is_filled_with_the_date(tmp_path: Path) -> None:
    settings = load(tmp_path, ["--campaign=n {date}", "--date=2025-12-24"])
    assert settings.campaign == "n 2025-12-24"
    assert settings.ledger_path("r") == tmp_path / "ledgers/n 2025-12-24.csv"
    assert load(tmp_path, job_campaign="j-{date}").campaign == "j-2026-03-31"


@pytest.mark.parametrize("command", ["settle", "ledger", "report"])
def test_reading_commands_do_without_a_good_job_name(tmp_path: Path, command: str) -> None:
    settings = load(tmp_path, job="wave (1).csv", command=command)
    assert settings.campaign is None
    assert settings.ledger_path_of("r", "w", None) == tmp_path / "ledgers/w.csv"
    with pytest.raises(ValueError, match="needs a campaign"):
        settings.ledger_path("r")


# -- sandbox


def test_sandbox_has_its_own_files(tmp_path: Path) -> None:
    settings = load(tmp_path, ["--sandbox"])
    assert settings.database == tmp_path / "ledgers/sandbox.db"
    assert settings.ledger_path("r") == tmp_path / "ledgers/sandbox/wave.csv"


@pytest.mark.parametrize("source", ["environment", "file"])
def test_sandbox_never_touches_the_real_ledger(tmp_path: Path, source: str) -> None:
    settings = load(
        tmp_path,
        ["--sandbox"],
        (
            {"DUPLICATE_BATCHES_DATABASE": "real/r.db", "DUPLICATE_BATCHES_LEDGER": "real.csv"}
            if source == "environment"
            else {}
        ),
        'database = "real/r.db"\nledger = "real.csv"' if source == "file" else None,
    )
    assert settings.database == tmp_path / "real/sandbox.db"
    assert settings.ledger_path("r") == tmp_path / "real/sandbox/wave.csv"


def test_sandbox_goes_by_options_that_are_given_with_it(tmp_path: Path) -> None:
    settings = load(
        tmp_path, ["--sandbox", "--database=d/x.db", "--ledger=l.csv"], config='ledger = "real.csv"'
    )
    assert settings.database == tmp_path / "d/x.db"
    assert settings.ledger_path("r") == tmp_path / "l.csv"
    settings = load(tmp_path, ["--database=d/x.db"], config="sandbox = true")
    assert settings.database == tmp_path / "d/x.db"
    assert settings.ledger_path("r") == tmp_path / "d/sandbox/wave.csv"
    settings = load(tmp_path, ["--ledger=l.csv", "--sandbox"], config="")
    assert settings.database == tmp_path / "ledgers/sandbox.db"


def test_no_sandbox_undoes_it(tmp_path: Path) -> None:
    assert (
        load(tmp_path, ["--no-sandbox"], config="sandbox = true").database
        == tmp_path / "ledgers/ledger.db"
    )
