"""`doctor` against real files and a real server: every finding, each with its fix."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import Ended, command, environment, source_id
from tests.whole.conftest import Place


@pytest.fixture
def ready(place: Place) -> Place:
    """A set-up as for cron: config file in the home folder, and the token in a file."""
    return set_up(place)


def set_up(place: Place) -> Place:
    """The same in this folder."""
    token = place.folder / "token"
    token.write_text(place.server.token, encoding="utf-8")
    token.chmod(0o600)
    (place.folder / "config.toml").write_text('token_file = "token"\n', encoding="utf-8")
    place.job({"batch_id": source_id(1), "name": "Wave 1"})
    return place


def doctor(place: Place, *arguments: str, **variables: str) -> tuple[Ended, dict[str, Any]]:
    """What doctor finds, in a shell whose only variable of ours is the API's address."""
    environ = environment(place.folder, place.server.url) | variables
    ended = command(("doctor", "--json", *arguments), place.folder, environ)
    return ended, json.loads(ended.out)


def findings(found: dict[str, Any], topic: str) -> list[str]:
    return [
        f"{check['text']} → {check['fix']}"
        for check in found["checks"]
        if not check["ok"] and check["topic"] == topic
    ]


def test_a_good_set_up_has_no_finding_and_nothing_is_created(ready: Place) -> None:
    ended, found = doctor(ready)
    assert (ended.code, found["findings"], found["exit_code"]) == (0, 0, 0), ended.out
    texts = {check["topic"]: check["text"] for check in found["checks"]}
    assert texts["setting"] == "token_file: set by config.toml:1: token_file"
    assert "does not exist yet" in texts["database"]
    assert "1 batch, the listing is complete" in texts["workspace"]
    assert ready.world.made == 0
    assert not (ready.folder / "ledgers").exists()


def test_after_a_night_it_shows_the_last_run_and_the_backup(ready: Place) -> None:
    assert ready.run(PROLIFIC_TOKEN="").code == 0
    copy = ready.folder / "ledgers" / "copy.db"
    assert ready.command("ledger", "--backup", copy).code == 0
    assert ready.command("run", "job.csv", "--sandbox", "--yes").code == 0  # newer, not a backup
    ended, found = doctor(ready)
    assert ended.code == 0, ended.out
    texts = {check["topic"]: check["text"] for check in found["checks"]}
    assert "of campaign job ended with code 0" in texts["last run"]
    assert texts["backup"].startswith(str(copy))
    for folder in (ready.folder, ready.folder / "backups"):  # where docs/nightly.md puts them
        folder.mkdir(exist_ok=True)
        copy = copy.rename(folder / "ledger-2026-03-01.db")
        _, found = doctor(ready)
        texts = {check["topic"]: check["text"] for check in found["checks"]}
        assert texts["backup"].startswith(str(copy))


def test_a_settle_is_not_taken_for_the_run_that_failed(ready: Place) -> None:
    ready.job({"batch_id": source_id(1), "copies": 2})
    assert ready.run("--limit", 1, PROLIFIC_TOKEN="").code == 1
    assert ready.command("settle", "job.csv").code == 0
    _, found = doctor(ready)
    texts = {check["topic"]: check["text"] for check in found["checks"]}
    assert "of campaign job (settle) ended with code 0" in texts["last run"]
    assert texts["failed"] == "the last run did not succeed: job (code 1)"


def test_each_bad_setting_is_one_finding_with_its_own_fix(ready: Place) -> None:
    (ready.folder / "config.toml").write_text("rate = 5/s\n", encoding="utf-8")
    _, found = doctor(ready, DUPLICATE_BATCHES_LIMIT="0")
    assert [(check["text"][:24], check["fix"]) for check in found["checks"]] == [
        ("DUPLICATE_BATCHES_LIMIT:", "Correct it there."),
        ("config.toml:1: column 9:", 'Text needs quotes, as in rate = "5/s".'),
    ]


def test_guards_that_are_off_for_every_run_are_a_finding(ready: Place) -> None:
    with (ready.folder / "config.toml").open("a", encoding="utf-8") as config:
        config.write("allow_existing = true\n")
    ended, found = doctor(ready)
    assert ended.code == 1
    assert findings(found, "allow_existing") == [
        "config.toml:2: allow_existing switches the guards against accidents off for every run →"
        " Remove it, and add --allow-existing to the one run that needs it."
    ]


def test_a_metrics_file_that_nobody_reads_is_a_finding(ready: Place) -> None:
    with (ready.folder / "config.toml").open("a", encoding="utf-8") as config:
        config.write('metrics_file = "waves.txt"\n')
    ended, found = doctor(ready)
    assert ended.code == 1
    (finding,) = findings(found, "metrics_file")
    assert "the name does not end in .prom → Rename it with config.toml:2: metrics_file." in finding


def test_a_bad_night_and_a_notification_that_failed_are_findings(ready: Place) -> None:
    ready.job({"batch_id": source_id(1), "copies": 2})
    arguments = ("--limit", 1, "--metrics-file", "config.toml/waves.prom")
    assert ready.run("--on-finish", "exit 7", *arguments, PROLIFIC_TOKEN="").code == 1
    ended, found = doctor(ready)
    assert ended.code == 1
    assert findings(found, "failed")[0].startswith("the last run did not succeed: job (code 1)")
    assert "the command ended with exit code 7" in findings(found, "on_finish")[0]
    assert "the metrics cannot be written" in findings(found, "metrics_file")[0]
    assert findings(found, "late") == [], "nobody expects a run every night"


def test_a_config_file_that_shows_a_secret_is_a_finding(ready: Place) -> None:
    config = ready.folder / "config.toml"
    with config.open("a", encoding="utf-8") as file:
        file.write('heartbeat_url = "http://127.0.0.1:9/s3cret"\n')
    config.chmod(0o640)
    _, found = doctor(ready)
    (finding,) = findings(found, "heartbeat")
    assert "other users can read the address" in finding
    assert "Run chmod 600 on the file." in finding
    config.chmod(0o600)
    assert doctor(ready)[0].code == 0


def test_text_marks_what_is_wrong_and_how_to_fix_it(ready: Place) -> None:
    (ready.folder / "token").chmod(0o644)
    ended = command(("doctor",), ready.folder, environment(ready.folder, ready.server.url))
    assert ended.code == 1
    assert "✗ token: " in ended.out
    assert "\n  → Run chmod 600 on the file." in ended.out
    assert ended.out.endswith("1 finding.\n")


def test_bad_settings_are_findings_all_of_them(ready: Place) -> None:
    (ready.folder / "config.toml").write_text('rat = 1\nrate = "5"\n', encoding="utf-8")
    ended, found = doctor(ready)
    assert (ended.code, found["findings"]) == (1, 2)
    assert any("config.toml:1: rat: " in text for text in findings(found, "settings"))
    assert any("config.toml:2: rate: " in text for text in findings(found, "settings"))


def test_a_refused_token_is_a_finding(ready: Place) -> None:
    ended, found = doctor(ready, PROLIFIC_TOKEN="wrong-token")
    assert ended.code == 1
    (finding,) = findings(found, "token")
    assert finding.startswith("the API refused it: HTTP 401")
    assert "wrong-token" not in ended.out + ended.err


def test_a_token_that_cron_has_not_is_a_finding(ready: Place) -> None:
    (ready.folder / "config.toml").write_text("", encoding="utf-8")
    ended, found = doctor(ready, PROLIFIC_TOKEN=ready.server.token)
    assert ended.code == 1
    assert "PROLIFIC_TOKEN, which cron does not have" in findings(found, "cron")[0]


def test_a_token_file_that_cron_cannot_use_is_a_finding(ready: Place) -> None:
    (ready.folder / "token").chmod(0o644)
    ended, found = doctor(ready, PROLIFIC_TOKEN=ready.server.token)
    assert ended.code == 1
    assert "other users can access this file" in findings(found, "cron")[0]


def test_settings_that_only_this_shell_has_are_a_finding(ready: Place) -> None:
    ended, found = doctor(ready, DUPLICATE_BATCHES_FOLLOW="5", DUPLICATE_BATCHES_RATE="3/s")
    assert ended.code == 1
    (finding,) = findings(found, "cron")
    assert "DUPLICATE_BATCHES_RATE and DUPLICATE_BATCHES_FOLLOW are set in this shell" in finding


def test_another_api_than_crons_is_named(ready: Place) -> None:
    _, found = doctor(ready)
    texts = [check["text"] for check in found["checks"] if check["topic"] == "cron"]
    assert f"if the crontab sets PROLIFIC_URL={ready.server.url}" in texts[0]


def test_the_folder_that_a_cron_line_must_change_to_is_named(ready: Place, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    ended, found = doctor(ready, HOME=str(home))
    assert ended.code == 0, ended.out
    texts = [check["text"] for check in found["checks"] if check["topic"] == "cron"]
    assert f"cron line begins with cd {ready.folder} &&" in texts[0]


def test_a_config_file_that_cron_does_not_find_is_a_finding(ready: Place) -> None:
    elsewhere = ready.folder / "elsewhere.toml"
    (ready.folder / "config.toml").rename(elsewhere)
    _, found = doctor(ready, DUPLICATE_BATCHES_CONFIG=str(elsewhere))
    assert "finds no config file" in findings(found, "cron")[0]
    ended, _ = doctor(ready, "--config", str(elsewhere))
    assert ended.code == 0, "the cron line names it"


def test_a_damaged_database_is_a_finding(ready: Place) -> None:
    assert ready.run(PROLIFIC_TOKEN="").code == 0
    database = ready.folder / "ledgers" / "ledger.db"
    data = bytearray(database.read_bytes())
    data[8192:8292] = bytes(100)
    database.write_bytes(data)
    ended, found = doctor(ready)
    assert ended.code == 1
    assert findings(found, "database"), ended.out


def test_a_database_of_another_api_is_a_finding(ready: Place) -> None:
    assert ready.run(PROLIFIC_TOKEN="").code == 0
    _, found = doctor(ready, PROLIFIC_URL="http://127.0.0.1:9")
    assert findings(found, "database")
    assert findings(found, "API")[0].startswith("no usable answer: ")


def test_a_listing_that_is_not_complete_is_a_finding(ready: Place) -> None:
    ready.server.sandbox.misbehave({"list-short": 1.0})
    ended, found = doctor(ready)
    assert ended.code == 1
    assert "the listing is not complete" in findings(found, "workspace")[0]
