"""How each peer is started for a job: its command line, the files that it reads, and what it needs
on this machine."""

from __future__ import annotations

import csv
import importlib.util
import json
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import WORKER
from benchmarks.nginx import TOKEN

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Asked:
    """What a peer is asked to do: the rows of the file `job`, at the API behind `url`, with so many
    requests at once. It works in an empty `folder`."""

    job: Path
    url: str
    in_flight: int
    folder: Path

    def rows(self) -> list[tuple[str, str]]:
        """Where each request goes, and its body."""
        with self.job.open(encoding="utf-8", newline="") as file:
            return [
                (
                    f"{self.url}/api/v1/data-collection/batches/{row['batch_id']}/duplicate",
                    json.dumps({"name": row["name"], "upload_new_dataset": False}),
                )
                for row in csv.DictReader(file)
            ]


@dataclass(frozen=True, slots=True)
class Peer:
    """`label` for the table; `shares` of the items that it gets in each of the three cases (answers
    at once, answers after 50 ms, a slow disk), because a slow one would take all the time (0: left
    out); `command` says how it is started; `program` and `package` are what must be there, and
    where it comes from."""

    label: str
    shares: tuple[float, float, float]
    command: Callable[[Asked], Sequence[str]]
    program: str | None = None
    package: str = ""

    def missing(self) -> str | None:
        """What is not installed here; None where nothing is."""
        if (
            self.program is None
            or shutil.which(self.program)
            or importlib.util.find_spec(self.program)
        ):
            return None
        return f"{self.program} is not installed ({self.package})"


def _worker(asked: Asked) -> Sequence[str]:
    return [
        *WORKER, "run", str(asked.job), "--yes", "--quiet", "--rate", "unlimited",
        "--max-in-flight", str(asked.in_flight),
        "--database", str(asked.folder / "ledger.db"), "--ledger", str(asked.folder / "ledger.csv"),
    ]  # fmt: skip


def _script(name: str) -> Callable[[Asked], Sequence[str]]:
    def command(asked: Asked) -> Sequence[str]:
        output = str(asked.folder / "out")
        return [
            sys.executable,
            str(HERE / name),
            str(asked.job),
            asked.url,
            TOKEN,
            str(asked.in_flight),
            output,
        ]

    return command


_CURL = ("curl", "--silent", "--show-error", "--fail", "--header", f"Authorization: Token {TOKEN}")


def _xargs(asked: Asked) -> Sequence[str]:
    """A curl for each request: a line of the file is the rest of its arguments."""
    lines = asked.folder / "lines"
    lines.write_text("".join(f"--json '{body}' {url}\n" for url, body in asked.rows()), "utf-8")
    return [
        "xargs",
        "-a",
        str(lines),
        "-P",
        str(asked.in_flight),
        "-L",
        "1",
        *_CURL,
        "--write-out",
        r"\n",
    ]


def _curl_parallel(asked: Asked) -> Sequence[str]:
    """One curl for all requests: each has its part of the config file, and a file for its
    answer."""
    config = asked.folder / "config"
    with config.open("w", encoding="utf-8") as file:
        for number, (url, body) in enumerate(asked.rows()):
            if number:
                file.write("next\n")
            quoted = body.replace("\\", "\\\\").replace('"', '\\"')
            file.write(
                f'url = "{url}"\njson = "{quoted}"\nheader = "Authorization: Token'
                f' {TOKEN}"\nfail\nsilent\n'
            )
            file.write(f'output = "{asked.folder}/{number}.json"\n')
    return ["curl", "--parallel", "--parallel-max", str(asked.in_flight), "--config", str(config)]


def _gnu_parallel(asked: Asked) -> Sequence[str]:
    """A curl for each request, and a log with which the same command goes on after a crash."""
    lines = asked.folder / "lines"
    lines.write_text("".join(f"{url}\t{body}\n" for url, body in asked.rows()), "utf-8")
    return [
        "parallel",
        "--will-cite",
        "--quote",
        "--jobs",
        str(asked.in_flight),
        "--colsep",
        r"\t",
        "--joblog",
        str(asked.folder / "log"),
        "--resume",
        "--arg-file",
        str(lines),
        *_CURL,
        "--json",
        "{2}",
        "{1}",
    ]


def _newman(asked: Asked) -> Sequence[str]:
    """A collection of one request, once for each row of the data file; newman sends one at a
    time."""
    url = asked.url + "/api/v1/data-collection/batches/{{batch_id}}/duplicate"
    headers = {"Authorization": f"Token {TOKEN}", "Content-Type": "application/json"}
    body = '{"name": "{{name}}", "upload_new_dataset": false}'
    request = {
        "method": "POST", "url": url, "body": {"mode": "raw", "raw": body},
        "header": [{"key": key, "value": value} for key, value in headers.items()],
    }  # fmt: skip
    collection = {"info": {"name": "Duplicates"}, "item": [{"name": "One", "request": request}]}
    path = asked.folder / "collection.json"
    path.write_text(json.dumps(collection), "utf-8")
    return ["newman", "run", str(path), "--iteration-data", str(asked.job), "--silent"]


GATHER = Peer("plain aiohttp script", (1, 1, 1), _script("gather.py"))
RUN = Peer("`duplicate-batches run`", (1, 1, 1), _worker)
PEERS = (
    GATHER,
    RUN,
    Peer("aiohttp, two SQLite commits for each item", (0.2, 0.5, 0.05), _script("two_commits.py")),
    Peer("httpx script", (0.15, 0.4, 0), _script("httpx_script.py"), "httpx", "pip install httpx"),
    Peer("one `curl --parallel`", (1, 1, 0), _curl_parallel, "curl", "Debian's package curl"),
    Peer("`xargs -P` with a `curl` each", (0.05, 0.2, 0), _xargs, "curl", "Debian's package curl"),
    Peer(
        "GNU `parallel --joblog --resume`",
        (0.03, 0.06, 0),
        _gnu_parallel,
        "parallel",
        "Debian's package parallel",
    ),
    Peer(
        "newman, one at a time",
        (0.015, 0.02, 0),
        _newman,
        "newman",
        "npm install newman, with its folder in PATH",
    ),
)
