"""A TCP proxy that delays what passes, as a network does: `python -m benchmarks.delay PORT MS`
listens on a port of its own, which it prints, and forwards to PORT of this machine. MS is added to
each round trip, half of it in each direction."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from benchmarks.measured import importable, without_api


@contextmanager
def delayed(port: int, milliseconds: float) -> Iterator[int]:
    """A process that forwards to `port`; the port where it listens."""
    command = [sys.executable, "-m", "benchmarks.delay", str(port), str(milliseconds)]
    with subprocess.Popen(
        command, env=importable(without_api()), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.terminate()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Forward every part `delay` seconds after it came, without holding up the next one."""
    loop = asyncio.get_running_loop()
    with suppress(OSError):
        while part := await reader.read(65_536):
            loop.call_later(delay, writer.write, part)
    loop.call_later(delay, writer.close)


async def _serve(port: int, delay: float) -> None:
    async def forward(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, there = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass(near, there, delay), _pass(far, back, delay))

    server = await asyncio.start_server(forward, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), float(sys.argv[2]) / 2000))
