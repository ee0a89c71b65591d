"""The systemd set-up of the page: its commands, and its units under systemd's own checks. No
service manager runs here, so the test does what the units say."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.nights.conftest import JOB, System
from tests.support.pages import blocks, files_shown
from tests.support.systems import needs_mount_namespaces, needs_programs

PAGE = "docs/nightly.md"
SERVICE = "/etc/systemd/system/duplicate-batches.service"
TIMER = "/etc/systemd/system/duplicate-batches.timer"
PROGRAM = "/usr/local/lib/duplicate-batches/bin/duplicate-batches"


def settings(unit: str) -> dict[str, str]:
    """The settings of a unit, each of which it has once."""
    found = re.findall(r"^(\w+)=(.*)$", files_shown(PAGE)[unit], re.MULTILINE)
    assert len(dict(found)) == len(found)
    return dict(found)


def shell(line: str) -> str:
    """A command line of a unit, as a shell takes it."""
    return line.replace("$$", "$").replace("%%", "%")


def verified(folder: Path, change: tuple[str, str] = ("", "")) -> subprocess.CompletedProcess[str]:
    """What `systemd-analyze verify` says to the units, with a change."""
    for unit in (SERVICE, TIMER):
        text = files_shown(PAGE)[unit].replace(PROGRAM, shutil.which("true") or "")
        (folder / Path(unit).name).write_text(text.replace(*change), "utf-8")
    names = [Path(unit).name for unit in (SERVICE, TIMER)]
    return subprocess.run(
        ["systemd-analyze", "verify", *names], cwd=folder, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip


@needs_programs("systemd-analyze")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("", ""), ""),
        (("NoNewPrivileges", "NoNewPrivilege"), "Unknown key name 'NoNewPrivilege'"),
        (("*-*-* 01:30", "at night"), "Failed to parse calendar specification"),
    ],
    ids=["the page's units", "a misspelled setting", "a bad time"],
)
def test_systemd_accepts_the_units(tmp_path: Path, change: tuple[str, str], says: str) -> None:
    ended = verified(tmp_path, change)
    if says:
        assert says.replace(" name", "") in ended.stderr.replace(" name", "")
    else:
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")


def test_the_service_may_do_little_and_takes_another_run_for_no_failure() -> None:
    found = settings(SERVICE)
    assert (found["NoNewPrivileges"], found["ProtectSystem"]) == ("true", "strict")
    assert found["SuccessExitStatus"].split() == ["75", "143"]
    assert found["LoadCredential"].startswith("token:/etc/duplicate-batches/")
    assert int(found["TimeoutStopSec"]) > 60 + 10 + 30, "a request, notifications, the files"


SHIMS = {
    "sudo": 'exec "$@"',
    # There is no service manager to talk to: only the files change.
    "systemctl": 'if [ "$1" = enable ]; then exec /usr/bin/systemctl --root=/ enable "$3"; fi',
    "journalctl": "exit 0",
}


@pytest.mark.prove  # several commands
@needs_mount_namespaces
@needs_programs("bash", "systemd-analyze", "systemctl", "useradd")
def test_a_night_of_the_service(system: System) -> None:
    """The page's commands set it up; then the service's commands run with the credential, and can
    write where the unit says, and nowhere else."""
    folder, service = system.folder, settings(SERVICE)
    (folder / "wave.csv").write_text(JOB, "utf-8")
    (folder / "token").write_text(f"{system.server.token}\n", "utf-8")
    for name, body in SHIMS.items():
        (folder / "bin" / name).parent.mkdir(exist_ok=True)
        (folder / "bin" / name).write_text(f"#!/bin/sh\n{body}\n", "utf-8")
        (folder / "bin" / name).chmod(0o755)
    system.program(folder / "program")
    for path in (SERVICE, TIMER):
        (folder / Path(path).name).write_text(files_shown(PAGE)[path], "utf-8")
    install, prepare, enable = (block for block in blocks(PAGE, "sh") if block.startswith("sudo "))
    assert "venv /usr/local/lib/duplicate-batches" in install
    credential, source = service["LoadCredential"].split(":")
    variable, value = service["Environment"].split("=")
    mounted = "\n".join(f"mount --bind {one} {one}" for one in service["ReadWritePaths"].split())
    script = f"""
        mkdir etc credentials
        cp -a /etc/. etc/
        mount --bind etc /etc
        mount -t tmpfs none /srv
        mount -t tmpfs none /usr/local
        install -D program {PROGRAM}
        {prepare}
        cp duplicate-batches.service duplicate-batches.timer /etc/systemd/system/
        {enable}
        systemd-analyze verify {SERVICE} {TIMER} 2>&1
        readlink /etc/systemd/system/timers.target.wants/duplicate-batches.timer
        stat -c '%U %a' /etc/duplicate-batches /etc/duplicate-batches/token /srv/waves/ledgers

        install -m 440 {source} credentials/{credential}
        {mounted}
        mount --bind "$PWD" "$PWD"
        cd "$PWD"
        mount -o remount,bind,ro /srv
        mount -o remount,bind,ro /
        export CREDENTIALS_DIRECTORY="$PWD/credentials" HOME=/srv/waves TMPDIR="$PWD"
        export {variable}="{value.replace("%d", "$CREDENTIALS_DIRECTORY")}"
        rm token
        cd {service["WorkingDirectory"]}
        if touch nowhere 2>/dev/null; then exit 99; fi
        {shell(service["ExecStart"])}
        {shell(service["ExecStopPost"])} >&2
        ls ledgers backups logs
    """
    environ = system.environ | {"PATH": f"{folder}/bin:{system.environ['PATH']}"}
    ended = system.apart(script, environ)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines()[:4] == [TIMER, "root 700", "root 600", "waves 755"]
    for name in ("wave.csv", "wave.html", "ledger.db", "run.jsonl"):
        assert name in ended.stdout.split()
    assert re.search(r"^ledger-20\d\d-\d\d-\d\d-\d{6}\.db$", ended.stdout, re.MULTILINE)
    assert len(system.server.world.duplicates) == 3
    assert system.server.token not in ended.stdout + ended.stderr
