"""How the pace follows limits that nobody tells: `python -m benchmarks.pace` measures known cases
in simulated time, and `python -m benchmarks.pace --plots docs/pace` draws the pace against time as
SVG. The same seeds give the same, `--first` says which."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path
from statistics import fmean

from tests.simulation.limits import BUSY, BY_NAME, CASES
from tests.simulation.paced import Case, Found, tried

PLOTS = {
    "steady": "A limit of 30 a second, which nobody tells",
    "steady-retry-after": "The same, where each 429 asks for a whole second",
    "halves": "A limit that halves and comes back",
    "shared": "A limit of 30 a second, of which others take 5 or 15 in turns",
    "contention-50": "Contention: 5 % rejected at any rate, with a ceiling of 50 a second",
    "contention-and-limit": "Contention and a limit of 30 a second",
}
SEED = 1
FRESH = 8300
"""The first seed that is measured: the rule was not tuned on it or on those that follow."""

WIDTH, HEIGHT = 820, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 14, 34, 46


def main() -> None:
    """Measure, or draw."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pace", description=__doc__)
    parser.add_argument(
        "--plots", type=Path, metavar="FOLDER", help="draw plots into FOLDER instead"
    )
    parser.add_argument("--seeds", type=int, default=10, help="how often each case is tried (10)")
    parser.add_argument("--first", type=int, default=FRESH, help=f"the first seed ({FRESH})")
    parser.add_argument("--case", choices=sorted(BY_NAME), help="only this one")
    given = parser.parse_args()
    cases = [BY_NAME[given.case]] if given.case else CASES
    if given.plots is None:
        measure(cases, range(given.first, given.first + given.seeds))
        if not given.case:
            measure_busy()
        return
    given.plots.mkdir(parents=True, exist_ok=True)
    for name, title in PLOTS.items():
        case = BY_NAME[name]
        path = given.plots / f"{name}.svg"
        path.write_text(plot(title, case, tried(case, SEED)), "utf-8")
        print(path)


def measure(cases: Sequence[Case], seeds: range) -> None:
    """Print what of each limit was used and what was rejected, on average and at worst."""
    print(
        f"| case | used | at least | rejected | at most |   (over {len(seeds)} seeds)\n| --- | ---"
        " | --- | --- | --- |"
    )
    for case in cases:
        found = [tried(case, seed) for seed in seeds]
        used, rejected = [one.used for one in found], [one.rejected for one in found]
        print(
            f"| {case.name} | {fmean(used):.1%} | {min(used):.1%} | {fmean(rejected):.2%} |"
            f" {max(rejected):.2%} |",
            flush=True,
        )


def measure_busy() -> None:
    """Print how an API that answers the more slowly the more is asked of it is used."""
    print(
        "| case | ceiling | most under way | sent a second | answers take | under way |\n| --- "
        + "| --- " * 5
        + "|"
    )
    for case in BUSY:
        found = tried(case, SEED)
        print(
            f"| {case.name} | {case.ceiling or 'none'} | {case.in_flight} |"
            f" {case.items / found.seconds:.1f} | {fmean(found.waited):.2f} s |"
            f" {found.under_way:.1f} |",
            flush=True,
        )


def plot(title: str, case: Case, found: Found) -> str:
    """The pace and the limit against time, with a mark for each request that was rejected, as
    SVG."""
    limiter = case.limiter()
    allowed = [(at, limiter.allowed(at)) for at in (found.seconds * n / 400 for n in range(401))]
    highest = max(limit for _, limit in allowed)
    top = 1.6 * highest
    body = [
        *_axes(found.seconds, top),
        _line(allowed, found.seconds, top, "#c77700", "6 4"),
        _line(found.rates, found.seconds, top, "#2563c9", ""),
    ]
    y = HEIGHT - BOTTOM - 1
    for at, ok in found.left:
        if not ok:
            x = _x(at, found.seconds)
            body.append(f'<path d="M{x:.1f} {y}v-9" stroke="#c62828" stroke-width="1.2"/>')
    words = (
        f"{found.used:.0%} of it used, {found.rejected:.1%} of {len(found.left):,} requests"
        " rejected"
    )
    key = (("pace", "#2563c9"), ("what is allowed", "#c77700"), ("a request rejected", "#c62828"))
    x = float(LEFT)
    for name, colour in key:
        body.append(f'<path d="M{x} {HEIGHT - 9}h16" stroke="{colour}" stroke-width="2.5"/>')
        body.append(f'<text x="{x + 22}" y="{HEIGHT - 5}">{name}</text>')
        x += 42 + 7 * len(name)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img"'
        f' aria-label="{escape(f"{title}: {words}")}" font-family="sans-serif" font-size="12"'
        f' fill="#333"><rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/><text x="{LEFT}" y="20"'
        f' font-size="14" font-weight="bold">{escape(title)}</text><text x="{WIDTH - RIGHT}"'
        f' y="{HEIGHT - 5}" text-anchor="end">{escape(words)}</text>{"".join(body)}</svg>\n'
    )


def _axes(seconds: float, top: float) -> Iterator[str]:
    for value in _ticks(top):
        y = _y(value, top)
        yield f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
        yield f'<text x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{value:g}/s</text>'
    for value in _ticks(seconds):
        yield (
            f'<text x="{_x(value, seconds):.1f}" y="{HEIGHT - BOTTOM + 16}"'
            f' text-anchor="middle">{value:g} s</text>'
        )


def _ticks(top: float) -> list[float]:
    """A few round numbers from 0 to at most `top`."""
    step = 10.0 ** math.floor(math.log10(top))
    step *= next(part for part in (0.2, 0.5, 1.0, 2.0) if top / (step * part) <= 8)
    return [number * step for number in range(int(top / step + 1e-9) + 1)]


def _line(
    points: Sequence[tuple[float, float]], seconds: float, top: float, colour: str, dashes: str
) -> str:
    """A line through what changes; a pause is a rate of 0."""
    shown = [f"{_x(at, seconds):.1f},{_y(rate, top):.1f}" for at, rate in points]
    dash = f' stroke-dasharray="{dashes}"' if dashes else ""
    return (
        f'<polyline points="{" ".join(shown)}" fill="none" stroke="{colour}"'
        f' stroke-width="1.8"{dash}/>'
    )


def _x(at: float, seconds: float) -> float:
    return LEFT + (WIDTH - LEFT - RIGHT) * min(at, seconds) / seconds


def _y(rate: float, top: float) -> float:
    return TOP + (HEIGHT - TOP - BOTTOM) * (1 - min(rate, top) / top)


if __name__ == "__main__":
    main()
