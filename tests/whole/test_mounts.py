"""A database file that is mounted alone, without the folder in which SQLite keeps its changes."""

from __future__ import annotations

import subprocess

from tests.support.command import PROGRAM
from tests.support.systems import needs_mount_namespaces
from tests.whole.conftest import CRON, Place, rows, run


@needs_mount_namespaces
def test_a_run_refuses_a_database_that_is_mounted_without_its_folder(place: Place) -> None:
    """What SQLite writes beside it stays in the container, and is lost when that is killed."""
    place.job(*rows(4), name="wave.csv")
    assert run(place, "wave.csv", "--limit", 2).code == 1
    inside = place.folder / "in side"
    inside.mkdir()
    (inside / "ledger.db").touch()
    (inside / "link.db").symlink_to("ledger.db")
    script = 'mount --bind ledgers/ledger.db "in side/ledger.db"; exec "$@"'
    mounted = ("unshare", "--mount", "sh", "-euc", script, "sh")
    for name in ("ledger.db", "link.db"):
        ended = subprocess.run(
            [*mounted, *PROGRAM, "run", "wave.csv", *map(str, CRON), "--database", inside / name],
            cwd=place.folder,
            env=place.environ,
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 2, ended.stderr
        assert "is mounted without its folder" in ended.stderr
        assert "Mount its folder instead" in ended.stderr
    assert place.world.made == 2
    assert run(place, "wave.csv").code == 0
    assert place.world.made == 4
