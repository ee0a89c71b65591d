"""The crontab lines of the pages: Debian's `crontab` accepts them, and its cron runs them."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.nights.conftest import JOB, System
from tests.support.pages import README, blocks
from tests.support.systems import needs_mount_namespaces, needs_programs

PAGE = "docs/nightly.md"


def lines(page: str) -> list[str]:
    """The crontab lines that `page` shows."""
    return "".join(blocks(page, "cron")).splitlines()


def checked(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    """What `crontab -n` says, which only checks."""
    (folder / "crontab").write_text(text, "utf-8")
    return subprocess.run(
        ["crontab", "-n", "crontab"], cwd=folder, capture_output=True, text=True, check=False
    )


@needs_programs("crontab")
@pytest.mark.parametrize("page", [README, PAGE])
def test_crontab_accepts_the_lines(tmp_path: Path, page: str) -> None:
    assert lines(page)
    ended = checked(tmp_path, "\n".join(lines(page)) + "\n")
    if "invalid option" in ended.stderr:
        pytest.skip("this crontab has no -n (Debian's has)")
    assert ended.returncode == 0, ended.stderr
    assert checked(tmp_path, lines(page)[0].replace("30 1", "61 1") + "\n").returncode != 0


@pytest.mark.prove  # cron begins with the next minute
@needs_mount_namespaces
@needs_programs("cron", "crontab", "bash")
def test_cron_runs_the_lines(system: System) -> None:
    """The lines that keep one log file for each night and the backup: all with an escaped `%`. cron
    is Debian's, with a spool of its own. Every minute is their time here."""
    home = system.folder
    waves = home / "waves"
    waves.mkdir()
    (waves / "wave.csv").write_text(JOB, "utf-8")
    (waves / "config.toml").write_text('token_file = "token"\n', "utf-8")
    (waves / "token").write_text(system.server.token, "utf-8")
    (waves / "token").chmod(0o600)
    system.program(home / ".local" / "bin" / "duplicate-batches")
    of_minute = ["* * * * * " + one.split(maxsplit=5)[5] for one in lines(PAGE) if "\\%" in one]
    assert len(of_minute) == 2
    log_line, backup_line = of_minute
    backup_line = backup_line.replace(' cd "', ' sleep 8; cd "')  # the first run creates a database
    # cron takes the environment from the crontab, and nothing from who started it.
    variables = {key: system.environ[key] for key in ("PROLIFIC_URL", "NO_PROXY")}
    table = [f"HOME={home}", *(f"{key}={value}" for key, value in variables.items())]
    (home / "crontab").write_text("\n".join([*table, log_line, backup_line, ""]), "utf-8")
    script = """
        for folder in /var/spool/cron/crontabs /etc/cron.d /run; do
            mount -t tmpfs none $folder
        done
        touch empty pam
        printf '%s\\n' 'auth sufficient pam_permit.so' 'account sufficient pam_permit.so' \\
            'session sufficient pam_permit.so' > pam
        mount --bind empty /etc/crontab
        mount --bind pam /etc/pam.d/cron
        chgrp crontab /var/spool/cron/crontabs && chmod 1730 /var/spool/cron/crontabs
        crontab crontab
        cron -f &
        trap 'kill $!; wait' EXIT
        for second in $(seq 100); do
            sleep 1
            if ls waves/ledger-20*.db >/dev/null 2>&1; then sleep 1; exit 0; fi
        done
        exit 1
    """
    ended = system.apart(script, system.environ)
    assert ended.returncode == 0, ended.stderr
    assert len(list((waves / "logs").glob("20*.jsonl"))) == 1
    assert (waves / "ledgers" / "wave.csv").is_file()
    assert len(list(waves.glob("ledger-20*.db"))) == 1
    assert len(system.server.world.duplicates) == 3
