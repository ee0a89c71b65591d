"""Whether a ceiling is used and never passed: `python -m benchmarks.ceiling` (`make
bench-ceiling`).

nginx's `limit_req` stands just above the ceiling, with a burst of three, and answers 429 to what is
beyond. Its log tells when each request came, so nothing is measured by who is measured. It has a
real-time priority, where the system allows that: an API on its own machine does not wait for a
processor, and takes what came meanwhile for no burst. The scripts beside are what people write with
aiolimiter. In the last case the whole process is stopped for a while, as a busy or sleeping machine
does."""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measured import (
    WORKER,
    importable,
    print_machine,
    source_ids,
    spread,
    waited,
    write_job,
)
from benchmarks.nginx import TOKEN, Nginx, may_be_prompt, missing, serving

BURST = 3
IN_FLIGHT = 32
LIMITED = Path(__file__).parent / "peers" / "limited.py"
OURS = "`duplicate-batches run`"
ALL_AT_ONCE, ONE_BY_ONE = "`AsyncLimiter({rate:g}, 1)`", "`AsyncLimiter(1, 1/{rate:g})`"


@dataclass(frozen=True, slots=True)
class Case:
    """A ceiling of so many requests a second, nginx's `limit`, how far above the ceiling that is,
    how many items, and how many turns each takes. `stopped_s`: for so long the process stands still
    in the middle."""

    rate: float
    limit: str
    above: str
    items: int
    turns: int
    stopped_s: float = 0.0


CASES = (
    Case(0.2, "12r/m", "0 %", 12, 1),
    Case(5, "306r/m", "2 %", 100, 1),
    Case(50, "51r/s", "2 %", 500, 3),
    Case(1_000, "1020r/s", "2 %", 5_000, 5),
    Case(50, "51r/s", "2 %", 300, 2, stopped_s=2.0),
)
"""nginx takes whole requests a second or a minute: 0.2 a second and 2 % cannot be said, so that
case has no margin."""


@dataclass(frozen=True, slots=True)
class Kept:
    """How a ceiling was kept: the share of it that was `used`, from the first request to the last;
    the pace of the last tenth beside that of the first (`drift`); how many were `rejected`; the
    `most` within a tenth of a second."""

    used: float
    drift: float
    rejected: int
    most: int


def main() -> None:
    """Measure and print."""
    asked = _arguments()
    if why := missing(latency=False):
        print(f"Nothing is measured: {why}")
        return
    print_machine()
    prompt = may_be_prompt()
    print(f"nginx has {'a' if prompt else 'no'} real-time priority")
    print(
        "\n| ceiling, limit above it, items | who | used | last tenth / first | rejected | most in"
        " 0.1 s |"
    )
    print("| --- | --- | --- | --- | --- | --- |")
    for case in CASES:
        if case.rate in asked.rates:
            all_kept: dict[str, list[Kept]] = {OURS: []}
            if case.rate > 1:
                all_kept |= {ALL_AT_ONCE: [], ONE_BY_ONE: []}
            for _ in range(case.turns):
                for label, kept_so_far in all_kept.items():
                    kept_so_far.append(_measure(case, label, prompt=prompt))
            for label, kept_so_far in all_kept.items():
                _show(case, label, kept_so_far)


def _show(case: Case, label: str, turns: Sequence[Kept]) -> None:
    what = f"{case.rate:g}/s, {case.above}, {case.turns} x {case.items:,}"
    used, drift = spread([one.used for one in turns], 3), spread([one.drift for one in turns])
    if case.stopped_s:
        what, used, drift = f"{what}, stopped for {case.stopped_s:g} s", "", ""
    rejected, most = (
        spread([one.rejected for one in turns], 0),
        spread([one.most for one in turns], 0),
    )
    print(
        f"| {what} | {label.format(rate=case.rate)} | {used} | {drift} | {rejected} | {most} |",
        flush=True,
    )


def _measure(case: Case, label: str, *, prompt: bool) -> Kept:
    with tempfile.TemporaryDirectory(prefix="pace-") as name:
        folder = Path(name)
        job = write_job(folder / "job.csv", case.items)
        with serving(source_ids(), limit=case.limit, burst=BURST, log=True, prompt=prompt) as api:
            began = time.monotonic()
            command = _command(case, label, job, api.url)
            environ = importable(api.environment())
            with subprocess.Popen(
                command, cwd=folder, env=environ, stdin=subprocess.DEVNULL
            ) as process:
                if case.stopped_s:
                    _stop_midway(process, api, case)
                waited(process, began)
            return kept(case.rate, api.fates())


def _command(case: Case, label: str, job: Path, url: str) -> Sequence[str]:
    if label == OURS:
        rate = f"{case.rate:g}/s" if case.rate >= 1 else f"{case.rate * 60:g}/min"
        run = [*WORKER, "run", str(job), "--yes", "--rate", rate]
        return [*run, "--max-in-flight", str(IN_FLIGHT), "--quiet"]
    limiter = (str(case.rate), "1") if label == ALL_AT_ONCE else ("1", str(1 / case.rate))
    return [sys.executable, str(LIMITED), str(job), url, TOKEN, str(IN_FLIGHT), *limiter]


def _stop_midway(process: subprocess.Popen[bytes], api: Nginx, case: Case) -> None:
    """Let the process stand still when half of the requests have been answered."""
    while len(api.fates()) < case.items / 2:
        if process.poll() is not None:
            return
        time.sleep(0.05)
    process.send_signal(signal.SIGSTOP)
    time.sleep(case.stopped_s)
    process.send_signal(signal.SIGCONT)


def kept(rate: float, fates: Sequence[tuple[float, int]]) -> Kept:
    """How a ceiling of `rate` a second was kept, by when the requests came and what they were
    answered.

    The worker sends again what was rejected: each is one more request."""
    times = sorted(at for at, _ in fates)
    tenth = max(2, len(times) // 10)
    return Kept(
        used=_pace(times) / rate,
        drift=_pace(times[-tenth:]) / _pace(times[:tenth]),
        rejected=sum(status == 429 for _, status in fates),
        most=_most(times, 0.1),
    )


def _pace(times: Sequence[float]) -> float:
    """Requests a second, from the first to the last."""
    return (len(times) - 1) / max(times[-1] - times[0], 0.001)


def _most(times: Sequence[float], seconds: float) -> int:
    """The most requests that came within so many seconds."""
    first, most = 0, 0
    for number, at in enumerate(times):
        while at - times[first] >= seconds:
            first += 1
        most = max(most, number - first + 1)
    return most


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ceiling", description=__doc__)
    rates = sorted({case.rate for case in CASES})
    parser.add_argument("--rates", type=float, nargs="*", default=rates, help="only these ceilings")
    return parser.parse_args()


if __name__ == "__main__":
    main()
