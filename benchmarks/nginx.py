"""nginx as the API: it answers `me`, one listing and every duplicate request, and remembers
nothing.

It is faster than any client that is measured against it. Each answer to a duplicate request names a
batch of its own (made of nginx's request id). Debian's packages: nginx-light, and
libnginx-mod-http-echo for answers that take time."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import without_api

WORKSPACE = "64a0000000000000000000aa"
ME = "64a0000000000000000000cc"
TOKEN = "benchmark"
ECHO_MODULE = Path("/usr/lib/nginx/modules/ngx_http_echo_module.so")

REAL_TIME = ("chrt", "--fifo", "5")
"""What begins a command that is to have a real-time priority."""

# `return` comes before nginx looks at limits, so where there is one another location answers.
_CONF = """
{modules}
daemon off;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log warn;
events {{ worker_connections 4096; }}
http {{
    log_format fates '$msec $status';
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    default_type application/json;
    keepalive_requests 100000000;
    keepalive_timeout 3600s;
    map $request_id $new_id {{
        "~^(?<a>.{{8}})(?<b>.{{4}})(?<c>.{{4}})(?<d>.{{4}})(?<e>.{{12}})$" "$a-$b-$c-$d-$e";
    }}
    {zone}
    server {{
        listen 127.0.0.1:{port} backlog=4096;
        location = /api/v1/users/me/ {{ return 200 '{{"id": "{me}", "email": "me@example.org"}}'; }}
        location = /api/v1/data-collection/batches {{ alias {folder}/listing.json; }}
        location ~ ^/api/v1/data-collection/batches/(?<asked>[-0-9a-f]+)$ {{
            return 200 '{source}';
        }}
        location ~ /duplicate$ {{
            {log}
            {limit}
            {first}
        }}
        location @answer {{
            {log}
            {answer}
        }}
    }}
}}
"""


@dataclass(frozen=True, slots=True)
class Nginx:
    """A running server: its address, and where it notes the fate of every duplicate request."""

    url: str
    log: Path

    def environment(self) -> dict[str, str]:
        """What the worker needs to find it; nothing of the user's is kept."""
        return without_api() | {"PROLIFIC_URL": self.url, "PROLIFIC_TOKEN": TOKEN}

    def fates(self) -> list[tuple[float, int]]:
        """When each duplicate request was answered (seconds since 1970), and with which status."""
        lines = (line.split() for line in self.log.read_text("utf-8").splitlines())
        return [(float(at), int(status)) for at, status in lines]

    def statuses(self, awaited: int = 0) -> Counter[int]:
        """How many duplicate requests were answered with which status. nginx notes an answer after
        it has left, so this waits for a second where fewer than `awaited` are noted."""
        deadline = time.monotonic() + 1
        while (found := self._statuses()).total() < awaited and time.monotonic() < deadline:
            time.sleep(0.02)
        return found

    def _statuses(self) -> Counter[int]:
        # Line by line: a process that is started later begins with the memory of this one.
        with self.log.open(encoding="utf-8") as file:
            return Counter(int(line.split()[1]) for line in file)


def missing(*, latency: bool) -> str | None:
    """Why nginx cannot serve here, with answers that take time where `latency` says so; None where
    it can."""
    if not shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin"):
        return "nginx is not installed (Debian's package nginx-light)"
    if latency and not ECHO_MODULE.exists():
        return "nginx's echo module is not installed (Debian's package libnginx-mod-http-echo)"
    return None


def may_be_prompt() -> bool:
    """Whether this system lets a process have a real-time priority."""
    try:
        return (
            subprocess.run([*REAL_TIME, "true"], capture_output=True, check=False).returncode == 0
        )
    except OSError:
        return False


@contextmanager
def serving(
    sources: Sequence[str],
    *,
    latency_ms: int = 0,
    limit: str | None = None,
    burst: int = 0,
    log: bool = False,
    port: int = 0,
    prompt: bool = False,
) -> Iterator[Nginx]:
    """A server that knows these sources. `latency_ms`: an answer takes so long; `limit` (as in
    `50r/s`) and `burst`: duplicate requests beyond that get 429; `log`: note the fate of each;
    `port`: where it listens (0: anywhere); `prompt`: it has a processor whenever it wants one (see
    `may_be_prompt`), as on a machine of its own."""
    with tempfile.TemporaryDirectory(prefix="nginx-") as name, socket.socket() as free:
        folder = Path(name)
        folder.chmod(0o755)
        free.bind(("127.0.0.1", port))
        port = free.getsockname()[1]
        free.close()
        (folder / "listing.json").write_text(_listing(sources), "utf-8")
        fates = folder / "fates.log"
        conf = _CONF.format(
            folder=folder,
            port=port,
            me=ME,
            modules=f"load_module {ECHO_MODULE};" if latency_ms else "",
            zone=f"limit_req_zone $server_port zone=all:1m rate={limit};" if limit else "",
            limit=f"limit_req zone=all burst={burst} nodelay; limit_req_status 429;"
            if limit
            else "",
            log=f"access_log {fates} fates;" if log else "",
            first="try_files /none @answer;" if limit else _answer(latency_ms),
            answer=_answer(latency_ms),
            source=json.dumps(_batch("$asked", "A source")),
        )
        (folder / "nginx.conf").write_text(conf, "utf-8")
        with _process(folder, port, prompt=prompt):
            yield Nginx(f"http://127.0.0.1:{port}", fates)


@contextmanager
def _process(folder: Path, port: int, *, prompt: bool) -> Iterator[None]:
    path = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or "nginx"
    where = ["-p", str(folder), "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log")]
    command = [*(REAL_TIME if prompt else ()), path, *where]
    with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
        try:
            deadline = time.monotonic() + 10
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port), timeout=1).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        assert process.stderr is not None
                        sys.exit(f"nginx did not start: {process.stderr.read().decode()}")
                    time.sleep(0.02)
            yield
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def _answer(latency_ms: int) -> str:
    """What a duplicate request is answered with. nginx reads no `$` or `"` specially inside single
    quotes but `$`."""
    body = json.dumps(_batch("$new_id", "A copy") | {"created_at": "$time_iso8601"})
    if re.search(r"'", body):
        raise AssertionError("the body must fit into single quotes")
    if not latency_ms:
        return f"return 201 '{body}';"
    return f"echo_status 201; echo_sleep {latency_ms / 1000:.3f}; echo '{body}';"


def _batch(batch_id: str, name: str) -> dict[str, object]:
    return {
        "id": batch_id,
        "name": name,
        "status": "UNINITIALISED",
        "created_at": "2026-11-01T00:00:00Z",
        "created_by": ME,
        "workspace_id": WORKSPACE,
        "datasets": [{"id": "0192a3b4-5678-7abc-8def-00000000d00d", "total_datapoint_count": 120}],
        "total_task_count": 0,
        "total_instruction_count": 3,
        "task_details": {
            "task_name": "Label street signs",
            "task_introduction": "<p>Look at each picture twice before you answer.</p>",
            "task_steps": "<ol><li>Look</li><li>Choose</li><li>Say why</li></ol>",
        },
    }


def _listing(sources: Sequence[str]) -> str:
    results = [_batch(source, f"Source {number}") for number, source in enumerate(sources)]
    return json.dumps({"results": results, "meta": {"count": len(results)}})
