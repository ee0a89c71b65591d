"""A disk whose `fsync` takes longer: a library that programs are started with (`LD_PRELOAD`), made
with the C compiler.

SQLite calls `fdatasync` or `fsync` for each durable commit; both then sleep before they do it.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>
#define SLOW(name) \\
    int name(int file) {{ \\
        static int (*real)(int); \\
        if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name); \\
        nanosleep(&(struct timespec){{0, {nanoseconds}L}}, 0); \\
        return real(file); \\
    }}
SLOW(fsync)
SLOW(fdatasync)
"""


def missing() -> str | None:
    """Why there is no such disk here; None where there is."""
    return (
        None
        if shutil.which("cc")
        else "there is no C compiler (Debian's packages gcc and libc6-dev)"
    )


def slow_fsync(folder: Path, milliseconds: int) -> dict[str, str]:
    """What a program's environment needs so that each of its `fsync`s takes so much longer (less
    than a second); the library lies in `folder`."""
    source, library = folder / "slow.c", folder / "slow.so"
    source.write_text(_SOURCE.format(nanoseconds=milliseconds * 1_000_000), "utf-8")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
    return {"LD_PRELOAD": str(library)}
