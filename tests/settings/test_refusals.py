"""Every bad setting is refused in words that name it as it is written. Tables; one row, one
case."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.settings.support import load, refusal

# key, what is written, and what the message says of it: as an option and as a variable.
BAD_TEXT = [
    ("rate", "5", "'5' is not a rate; write N/s, N/min or unlimited, such as 5/s or 30/min"),
    ("rate", "5/h", "is not a rate"),
    ("rate", "5 /s", "is not a rate"),
    ("rate", "5/S", "is not a rate"),
    ("rate", "", "is not a rate"),
    ("rate", "1e3/s", "is not a rate"),
    ("rate", "nan/s", "is not a rate"),
    ("rate", "inf/s", "is not a rate"),
    ("rate", "5,5/s", "is not a rate"),
    ("rate", "Unlimited", "is not a rate"),
    ("rate", "٥/s", "is not a rate"),
    ("rate", "0/s", "is out of range; a rate must be above 0 and at most 10,000/s"),
    ("rate", "0.0/min", "is out of range"),
    ("rate", "10001/s", "is out of range"),
    ("rate", "600001/min", "is out of range"),
    ("rate", "9" * 400 + "/s", "is not a rate"),
    ("max_in_flight", "0", "is not a whole number from 1 to 1,000"),
    ("max_in_flight", "1001", "is not a whole number from 1 to 1,000"),
    ("max_in_flight", "-1", "is not a whole number from 1 to 1,000"),
    ("max_in_flight", "1.5", "'1.5' is not a whole number from 1 to 1,000"),
    ("max_in_flight", "many", "is not a whole number"),
    ("max_in_flight", "", "is not a whole number"),
    ("limit", "0", "is not a whole number from 1 to 1,000,000,000"),
    ("limit", "all", "is not a whole number"),
    ("limit", "1,000", "is not a whole number"),
    ("limit", "9" * 5000, "is not a whole number from 1 to"),
    ("max_failed", "0", "is not a whole number from 1 to"),
    ("max_failed", "٣", "is not a whole number"),
    ("timeout", "0", "is not a number of seconds above 0 and at most 604,800 (7 days)"),
    ("timeout", "0.0", "is not a number of seconds above 0"),
    ("timeout", "-5", "is not a number of seconds above 0"),
    (
        "timeout",
        "60s",
        "'60s' is not a number of seconds above 0 and at most 604,800 (7 days), such as 60 or 0.5",
    ),
    ("timeout", "1m", "is not a number of seconds"),
    ("timeout", "nan", "is not a number of seconds"),
    ("timeout", "inf", "is not a number of seconds"),
    ("timeout", "9" * 400, "is not a number of seconds above 0 and at most"),
    ("settle_after", "-1", "is not a number of seconds from 0 to 604,800 (7 days)"),
    ("settle_after", "604801", "is not a number of seconds from 0 to 604,800 (7 days)"),
    ("give_up_after", "15min", "is not a number of seconds"),
    ("give_up_after", "-0.1", "is not a number of seconds from 0"),
    ("wait", "forever", "is not a number of seconds"),
    ("max_duration", "6h", "is not a number of seconds"),
    ("max_duration", "none", "is not a number of seconds"),
    ("date", "31.03.2026", "'31.03.2026' is not a date as YYYY-MM-DD, such as 2026-03-31"),
    ("date", "2026-3-31", "is not a date"),
    ("date", "20260331", "is not a date"),
    ("date", "today", "is not a date"),
    ("date", "2026-W01-1", "is not a date"),
    ("date", "2026-02-30", "the date 2026-02-30 does not exist"),
    ("date", "", "is not a date"),
    ("log_format", "jsn", "'jsn' is not auto, console or json. Did you mean json?"),
    ("log_format", "JSON", "is not auto, console or json. Did you mean json?"),
    ("log_format", "", "is not"),
    ("progress", "none", "is not auto or never"),
    ("campaign", "", "is empty; give a value or leave it out"),
    ("campaign", "  ", "is empty"),
    ("campaign", "a/b", ""),
    ("campaign", "..", ""),
    ("campaign", "wave-{n}", "{n}"),
    ("campaign", "wave-{date", ""),
    ("ledger", "", "is empty; give a path or leave it out"),
    ("ledger", "ledgers/", "is a folder; give the path of a file"),
    (
        "ledger",
        "l/{campain}.csv",
        "unknown placeholder {campain}; placeholders are {campaign}, {date} and {run_id}. Did",
    ),
    ("ledger", "l/{}.csv", "unknown placeholder {}; placeholders are"),
    ("ledger", "l/{date:%d}.csv", "unknown placeholder {date:%d}"),
    ("ledger", "l/{campaign.csv", "contains a lone {; placeholders are"),
    ("ledger", "l/campaign}.csv", "contains a lone }; placeholders are"),
    ("database", "", "is empty"),
    ("database", " ", "is empty"),
    ("database", ".", "is a folder; give the path of a file"),
    ("database", "ledgers/", "is a folder; give the path of a file"),
    (
        "database",
        "{campaign}.db",
        "must not contain { or }; only the ledger's path may",
    ),
    (
        "database",
        "~nobody-of-that-name/x.db",
        "begins with ~ and a user whose home folder is unknown",
    ),
    (
        "ledger",
        "$HOME/ledgers/{campaign}.csv",
        "contains $HOME, which is not expanded here; write ~ or the full path",
    ),
    (
        "ledger",
        "${HOME}/{campaign}.csv",
        "contains ${HOME}, which is not expanded here; write ~ or the full path",
    ),
    (
        "database",
        "$HOME/ledger.db",
        "contains $HOME, which is not expanded here; write ~ or the full path",
    ),
    ("database", "${HOME}/ledger.db", "contains ${HOME}, which"),
    (
        "database",
        r"%USERPROFILE%\ledger.db",
        "contains %USERPROFILE%, which is not expanded here; write ~ or the full",
    ),
    (
        "database",
        "/data/$USER/ledger.db",
        "contains $USER, which is not expanded here; write the full path",
    ),
    (
        "database",
        "/data/$s3cret/ledger.db",
        "contains a variable ($ or %), which is not expanded here; write the full",
    ),
    (
        "database",
        "/data/$(hostname).db",
        "contains a variable ($ or %), which is not expanded here; write the full path",
    ),
    ("log_file", "$HOME/run.log", "contains $HOME, which is not expanded here"),
    ("config", "$HOME/config.toml", "contains $HOME, which is not expanded here"),
    ("log_file", "", "is empty"),
    ("log_file", "{date}.jsonl", "must not contain { or }"),
    ("log_file", "logs/", "is a folder; give the path of a file"),
    ("config", "", "is empty"),
    ("config", "nowhere.toml", "there is no file nowhere.toml"),
    ("config", "{date}.toml", "must not contain { or }"),
]


@pytest.mark.parametrize(("key", "text", "says"), BAD_TEXT)
def test_bad_option(tmp_path: Path, key: str, text: str, says: str) -> None:
    flag = "--" + key.replace("_", "-")
    message = refusal(tmp_path, [f"{flag}={text}"])
    assert message.startswith(f"{flag}: ")
    assert says in message


@pytest.mark.parametrize(("key", "text", "says"), BAD_TEXT)
def test_bad_variable(tmp_path: Path, key: str, text: str, says: str) -> None:
    name = "DUPLICATE_BATCHES_" + key.upper()
    message = refusal(tmp_path, environ={name: text})
    assert message.startswith(f"{name}: ")
    assert says in message


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        (
            "DUPLICATE_BATCHES_YES",
            "maybe",
            "'maybe' is not true or false",
        ),
        ("DUPLICATE_BATCHES_SANDBOX", "", "is not true or false"),
        ("DUPLICATE_BATCHES_TOKEN_FILE", "", "is empty"),
        (
            "DUPLICATE_BATCHES_RAET",
            "5/s",
            "there is no such setting. Did you mean DUPLICATE_BATCHES_RATE?",
        ),
        ("DUPLICATE_BATCHES_rate", "5/s", "Did you mean DUPLICATE_BATCHES_RATE?"),
        ("DUPLICATE_BATCHES_XYZZY", "1", "there is no such setting."),
        ("DUPLICATE_BATCHES_", "1", "there is no such setting."),
        ("DUPLICATE_BATCHES_DRY_RUN", "1", "can only be given as --dry-run"),
        (
            "DUPLICATE_BATCHES_URL",
            "http://x",
            "is not a setting; set the API's address in the variable PROLIFIC_URL",
        ),
        ("DUPLICATE_BATCHES_TOKEN", "s3cret", "put it in the variable PROLIFIC_TOKEN"),
    ],
)
def test_bad_environment(tmp_path: Path, name: str, value: str, says: str) -> None:
    message = refusal(tmp_path, environ={name: value})
    assert message.startswith(f"{name}: ")
    assert says in message
    assert "s3cret" not in message


def test_no_likely_name_is_made_up(tmp_path: Path) -> None:
    assert "Did you mean" not in refusal(tmp_path, environ={"DUPLICATE_BATCHES_XYZZY": "1"})


# What line 2 of config.toml holds, the key that the message names, and what it says.
BAD_TOML = [
    ("rate = 5", "rate", 'must be text in quotes, such as "5/s"'),
    ('rate = "5"', "rate", "is not a rate"),
    ("rate = true", "rate", "must be text in quotes"),
    (
        'max_in_flight = "16"',
        "max_in_flight",
        "must be a whole number from 1 to 1,000, without quotes",
    ),
    ("max_in_flight = 16.0", "max_in_flight", "must be a whole number"),
    ("max_in_flight = true", "max_in_flight", "must be a whole number"),
    ("max_in_flight = 0", "max_in_flight", "is not a whole number from 1 to 1,000"),
    ("max_in_flight = [1]", "max_in_flight", "must be a whole number"),
    ("limit = 1000000001", "limit", "is not a whole number from 1 to"),
    ("limit = -1", "limit", "is not a whole number from 1 to"),
    ("max_failed = 0", "max_failed", "is not a whole number from 1 to"),
    ("timeout = 0", "timeout", "is not a number of seconds above 0"),
    ("timeout = -0.0", "timeout", "is not a number of seconds above 0"),
    ("timeout = inf", "timeout", "at most 604,800 (7 days)"),
    ("timeout = nan", "timeout", "at most 604,800 (7 days)"),
    (
        'timeout = "60"',
        "timeout",
        "must be a number of seconds above 0",
    ),
    ("wait = false", "wait", "must be a number of seconds"),
    (f"wait = {'9' * 400}", "wait", "from 0 to 604,800"),
    ("settle_after = 08:00:00", "settle_after", "must be a number of seconds"),
    ('yes = "true"', "yes", "must be true or false, without quotes"),
    ("yes = 1", "yes", "must be true or false"),
    ("date = 2026-03-31T00:00:00", "date", "must be a date as YYYY-MM-DD, without a time"),
    ("date = 20260331", "date", "must be a date"),
    ('date = "31.3."', "date", "is not a date"),
    ("campaign = 2026", "campaign", "must be text in quotes"),
    ('campaign = "a/b"', "campaign", ""),
    ('log_format = "xml"', "log_format", "is not auto, console or json"),
    ("database = 1", "database", "must be text in quotes, the path of a file"),
    (
        r'database = "a\u0000b"',
        "database",
        "contains a NUL character, which is not allowed in a path",
    ),
    (r'ledger = "a\u0000b"', "ledger", "contains a NUL character"),
    ('ledger = "{x}.csv"', "ledger", "unknown placeholder {x}"),
    ('token_file = "{x}"', "token_file", "must not contain { or }"),
    ("batch_url = 5", "batch_url", "must be text in quotes, such as"),
    ('batch_url = ""', "batch_url", "is empty"),
    (
        'batch_url = "https://example.org/"',
        "batch_url",
        "does not contain {id}, which stands for the batch id; write it as https://example.org/",
    ),
    ('batch_url = "https://x.org/{id}/{n}"', "batch_url", "the only placeholder is {id}"),
    ('batch_url = "ftp://x.org/{id}"', "batch_url", "is not an https address"),
    ('batch_url = "javascript:alert({id})"', "batch_url", "is not an https address"),
    ('batch_url = "https:///{id}"', "batch_url", "is not an https address"),
    ('batch_url = "http://x.org/{id}"', "batch_url", "is http, which is only allowed for this"),
    ('batch_url = "https://me:s3cret@x.org/{id}"', "batch_url", "a user name or password"),
    ('batch_url = "https://{id}.x.org/"', "batch_url", "has {id} in the host; put it after"),
    ('batch_url = "https://x.org:99999/{id}"', "batch_url", "has an invalid host or port"),
    ('batch_url = "https://x..org/{id}"', "batch_url", "has an invalid host or port"),
    ('batch_url = "https://x.org/{id} s3cret"', "batch_url", "contains characters that are not"),
    (
        'config = "other.toml"',
        "config",
        "can only be set with --config or DUPLICATE_BATCHES_CONFIG",
    ),
    ("dry_run = true", "dry_run", "can only be given as --dry-run"),
    (
        'url = "http://localhost"',
        "url",
        "is not a setting; set the API's address in the variable PROLIFIC_URL",
    ),
    ("max-in-flight = 3", "max-in-flight", "there is no such setting. Did you mean max_in_flight?"),
    ('  "raet" = 3', "raet", "Did you mean rate?"),
    ("Rate = 3", "Rate", "Did you mean rate?"),
    ("xyzzy = 3", "xyzzy", "there is no such setting."),
    ("[run]\nrate = 3", "run", "is a section or a dotted key; write each key on its own line"),
    ("[[rate]]\nx = 3", "rate", "is a section"),
    ("rate.max = 3", "rate", "is a section or a dotted key"),
    ("rate = { max = 3 }", "rate", "is a section"),
    ('token = "s3cret"', "token", "put it in the variable PROLIFIC_TOKEN, or in a file"),
    ('PROLIFIC_TOKEN = "s3cret"', "PROLIFIC_TOKEN", "the token is not a setting"),
    ('api-token = "s3cret"', "api-token", "the token is not a setting"),
    ('[token]\nx = "s3cret"', "token", "the token is not a setting"),
]


@pytest.mark.parametrize(("line", "key", "says"), BAD_TOML)
def test_bad_config(tmp_path: Path, line: str, key: str, says: str) -> None:
    message = refusal(tmp_path, config=f"# settings, rate = 3\n{line}\n")
    assert message.startswith(f"config.toml:2: {key}: ")
    assert says in message
    assert "s3cret" not in message


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("quiet = true\nrate = 5/s\n", "config.toml:2: column 9: not valid TOML: Expected newline"),
        ("rate = \n", "config.toml:1: column 8: not valid TOML: Invalid value"),
        ('\nrate = "5/s', "config.toml:2: at the end: not valid TOML: Unterminated string"),
        (
            "wait = 1\nwait = 2\n",
            "config.toml:2: column 9: not valid TOML: Cannot overwrite a value",
        ),
        (
            "date = 2026-02-30\n",
            "config.toml:1: column 8: not valid TOML: Invalid date or datetime",
        ),
        (
            f"wait = {'9' * 5000}\n",
            "config.toml: not valid TOML: a value is too long or nested too deeply",
        ),
        (
            f"wait = {'[' * 100_000}\n",
            "config.toml: not valid TOML: a value is too long or nested too deeply",
        ),
        ("token = s3cret\n", "config.toml:1: column 9: not valid TOML: "),
    ],
)
def test_broken_toml(tmp_path: Path, text: str, says: str) -> None:
    message = refusal(tmp_path, config=text)
    assert message.startswith(says)
    assert "s3cret" not in message


def test_config_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_bytes('quiet = true\ncampaign = "fr\u00fch"'.encode("latin-1"))
    assert refusal(tmp_path) == "config.toml:2: is not UTF-8 text"


def test_config_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert load(tmp_path, config="\ufeffquiet = true\r\n").quiet


def test_config_that_is_a_folder(tmp_path: Path) -> None:
    (tmp_path / "config.toml").mkdir()
    assert refusal(tmp_path).startswith("config.toml: cannot be read: ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_config_that_is_not_readable(tmp_path: Path) -> None:
    (tmp_path / "config.toml").touch(mode=0)
    assert refusal(tmp_path).startswith("config.toml: cannot be read: ")


def test_given_config_names_itself_as_from_here(tmp_path: Path) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "night.toml").write_text("wait = true")
    assert refusal(tmp_path, ["--config", "conf/night.toml"]).startswith(
        "conf/night.toml:1: wait: "
    )


def test_all_problems_are_reported_together(tmp_path: Path) -> None:
    message = refusal(
        tmp_path,
        ["--rate=5", "--timeout=0"],
        {"DUPLICATE_BATCHES_WAIT": "x", "DUPLICATE_BATCHES_RAET": "x"},
        "limit = 0\nraet = 1\n",
    )
    assert [line.rsplit(": ", 1)[0] for line in message.splitlines()] == [
        "--rate",
        "--timeout",
        "DUPLICATE_BATCHES_RAET",
        "DUPLICATE_BATCHES_WAIT",
        "config.toml:1: limit",
        "config.toml:2: raet",
    ]


def test_a_bad_value_is_refused_even_where_an_option_overrides_it(tmp_path: Path) -> None:
    assert refusal(tmp_path, ["--limit=5"], config="limit = 0").startswith("config.toml:1: limit: ")


def test_job_s_name_that_is_no_campaign(tmp_path: Path) -> None:
    message = refusal(tmp_path, job="jobs/wave (1).csv")
    assert message.startswith("jobs/wave (1).csv: the file's name cannot be used as the campaign: ")
    assert "--campaign NAME" in message
    assert load(tmp_path, ["--campaign=wave"], job="jobs/wave (1).csv").campaign == "wave"


def test_job_s_campaign_that_is_none(tmp_path: Path) -> None:
    assert refusal(tmp_path, job="wave.yaml", job_campaign="a/b").startswith(
        "wave.yaml: campaign: "
    )


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--ledger=wave.csv"], "--ledger: is the same file as the job file"),
        (["--database=wave.csv"], "--database: is the same file as the job file"),
        (
            ["--ledger=a.db", "--database=./x/../a.db"],
            "--ledger: is the same file as --database",
        ),
        (["--log-file=ledgers/ledger.db"], "--log-file: is the same file as --database"),
        (["--log-file=config.toml"], "--log-file: is the same file as the config file"),
    ],
)
def test_files_that_are_one(tmp_path: Path, arguments: list[str], says: str) -> None:
    assert refusal(tmp_path, arguments, config="") == says
