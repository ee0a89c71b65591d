"""Which tests need a system of some kind, and why. No tests here."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Only Linux has locks that belong to an open file; elsewhere a database with several names is
# refused.
needs_file_locks = pytest.mark.skipif(
    sys.platform != "linux", reason="needs locks that belong to an open file (Linux)"
)

# A path in it names an open file by its number, as a shell's <(…) does.
needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc (Linux)")

# A device on which every write fails as on a full disk.
needs_full_device = pytest.mark.skipif(
    not Path("/dev/full").exists(), reason="needs /dev/full (Linux)"
)


def needs_programs(*names: str) -> pytest.MarkDecorator:
    """Skip the test if one of these programs is not installed."""
    missing = [name for name in names if shutil.which(name) is None]
    # A user's machine need not have them; continuous integration installs them.
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


# Documents and reports show command lines for a shell; bash runs them as people paste them.
needs_bash = needs_programs("bash")


def has_mount_namespaces() -> bool:
    """Whether a process may mount folders that only it sees: as root, outside strict containers."""
    if shutil.which("unshare") is None:
        return False
    mount = ["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"]
    return subprocess.run(mount, capture_output=True, check=False).returncode == 0


# Files and folders of the system are replaced for a test, and nothing outside it changes.
needs_mount_namespaces = pytest.mark.skipif(
    not has_mount_namespaces(), reason="needs mount namespaces (Linux, as root)"
)
