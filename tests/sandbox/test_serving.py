"""The sandbox's life: its start and end, its thread for tests, and the command that serves it for
people."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import tracemalloc
import urllib.request
from pathlib import Path

import aiohttp
import pytest

from tests.sandbox.conftest import BATCHES, SOURCE, serve
from tests.support.sandbox_thread import SandboxThread
from worker.model.errors import UsageError
from worker.sandbox.options import SandboxOptions
from worker.sandbox.server import Sandbox
from worker.sandbox.world import World


async def test_a_taken_port_is_a_usage_error_that_names_it() -> None:
    async with serve() as client:
        port = int(client.url.rsplit(":", 1)[1])
        with pytest.raises(UsageError, match=str(port)):
            await Sandbox(SandboxOptions(port=port)).start()


async def test_stopping_ends_hanging_requests_and_late_batches_at_once() -> None:
    async with serve(faults={"hang": 0.5, "late": 0.5}, late_by=(60.0, 60.0)) as client:
        calls = [asyncio.create_task(client.duplicate()) for _ in range(20)]
        await asyncio.sleep(0.2)
        before = time.monotonic()
        await client.sandbox.stop()
        assert time.monotonic() - before < 1
        await asyncio.gather(*calls, return_exceptions=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        assert not [task for task in others if "sandbox" in repr(task.get_coro())]
        assert client.world.made == 0


async def test_after_a_stop_the_same_world_is_served_at_the_same_port() -> None:
    async with serve() as client:
        _, copy, _ = await client.duplicate()
        await client.sandbox.stop()
        with pytest.raises(aiohttp.ClientConnectionError):
            await client.get()
        await client.sandbox.start()
        assert (await client.get(copy["id"]))[1]["name"] == copy["name"]


async def test_stopping_twice_is_no_harm() -> None:
    sandbox = Sandbox(SandboxOptions())
    await sandbox.stop()
    await sandbox.start()
    await sandbox.stop()
    await sandbox.stop()


async def test_latency_is_waited_for() -> None:
    async with serve(latency=0.05) as client:
        began = time.monotonic()
        await asyncio.gather(*(client.duplicate() for _ in range(20)))
        assert time.monotonic() - began > 0.05
        assert client.world.made == 20


def test_a_batch_is_small_in_memory() -> None:
    world = World()
    source = world.find(SOURCE)
    assert source is not None
    tracemalloc.start()
    try:
        for number in range(10_000):
            world.duplicate(source, f"Copy {number}", False)
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / 10_000 < 1_000


def test_a_sandbox_in_a_thread_serves_other_loops() -> None:
    with SandboxThread() as box:
        request = urllib.request.Request(
            f"{box.url}{BATCHES}/{SOURCE}/duplicate",
            data=json.dumps({"name": "From afar"}).encode(),
            headers={"Authorization": f"Token {box.token}"},
        )
        with urllib.request.urlopen(request) as response:
            assert response.status == 201
        assert [batch["name"] for batch in box.world.duplicates] == ["From afar"]


def test_a_thread_that_cannot_start_says_why() -> None:
    with SandboxThread() as box:
        port = int(box.url.rsplit(":", 1)[1])
        with pytest.raises(UsageError), SandboxThread(SandboxOptions(port=port)):
            pass


STOP_SIGNALS = [
    signal.Signals[name] for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("number", STOP_SIGNALS)
def test_the_command_says_how_to_use_it_and_ends_with_a_signal(number: signal.Signals) -> None:
    code = (
        "import sys; from worker.sandbox.command import serve_forever; from worker.sandbox.options"
        " import *;sys.exit(serve_forever(SandboxOptions(faults={'late': 0.5})))"
    )
    root = Path(__file__).parents[2]
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        # Under `nohup`, or in the background of a script, it would inherit that they are ignored.
        preexec_fn=lambda: signal.signal(number, signal.SIG_DFL),  # noqa: PLW1509 - no threads here
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        while not lines or "Ctrl-C" not in lines[-1]:
            line = process.stdout.readline()
            assert line, lines
            lines.append(line.rstrip("\n"))
        process.send_signal(number)
        rest = process.stdout.read()
        assert process.wait(timeout=10) == 0
    assert any(line.startswith("export PROLIFIC_URL=http://127.0.0.1:") for line in lines)
    assert "export PROLIFIC_TOKEN=sandbox-token" in lines
    assert any("late=0.5: " in line for line in lines)
    assert rest == "Created 0 duplicates. Nothing was saved.\n"
