"""Cases of rate limits, by name: the tests check them, and `python -m benchmarks.pace` measures and
plots them."""

from __future__ import annotations

from tests.simulation.limiters import Contention, contention, moving, shared, steady, windows
from tests.simulation.paced import Case

CASES = [
    Case("contention-5", contention(0.05, 5), ceiling=5),
    Case("contention-5-more", contention(0.10, 5), ceiling=5),
    Case("contention-50", contention(0.05, 50), ceiling=50),
    Case("contention-50-more", contention(0.10, 50), ceiling=50),
    Case("contention-little", contention(0.01, 50), ceiling=50),
    Case("contention-long", contention(0.05, 50), ceiling=50, items=10_000),
    Case("contention-no-ceiling", contention(0.05, 100), items=5000, latency_s=0.15),
    Case("contention-retry-after", contention(0.05, 50), ceiling=50, retry_after_s=1.0),
    Case("contention-and-limit", lambda: Contention(0.05, steady(30)()), items=2000),
    Case("steady", steady(30)),
    Case("steady-slow-answers", steady(30), latency_s=0.1),
    Case("steady-ceiling", steady(30), ceiling=50),
    Case("steady-retry-after", steady(30), retry_after_s=1.0),
    Case("steady-5", steady(5)),
    Case("halves", moving((0, 30), (12, 15), (24, 30))),
    Case("halves-for-long", moving((0, 30), (40, 15), (80, 30)), items=3000),
    Case("falls-far", moving((0, 30), (20, 5))),
    Case("shared", shared(30, (0, 5), (15, 15), (30, 5), (45, 15), (60, 5)), items=1500),
    Case("shared-retry-after", shared(30, (0, 10)), retry_after_s=1.0),
    Case("window-5-a-second", windows(5, 1)),
    Case("window-30-a-second", windows(30, 1)),
    Case("window-300-a-minute", windows(300, 60), items=1500),
    Case("window-1800-a-minute", windows(1800, 60), items=9000),
    Case("ceiling-0.2", steady(0.204, 3), items=30, in_flight=32, ceiling=0.2, latency_s=0.001),
    Case("ceiling-5", steady(5.1, 3), items=200, in_flight=32, ceiling=5, latency_s=0.001),
    Case("ceiling-50", steady(51, 3), in_flight=32, ceiling=50, latency_s=0.001),
    Case("ceiling-1000", steady(1020, 3), items=8000, in_flight=32, ceiling=1000, latency_s=0.001),
]

BUSY = [
    Case("busy-5", steady(1e9), ceiling=5, works_off=20),
    Case("busy-15", steady(1e9), ceiling=15, works_off=20),
    Case("busy-19", steady(1e9), ceiling=19, works_off=20),
    Case("busy-30", steady(1e9), ceiling=30, works_off=20),
    Case("busy", steady(1e9), works_off=20),
    Case("busy-two", steady(1e9), in_flight=2, works_off=20),
]
"""An API that rejects nothing and handles 20 requests a second, so that answers take longer if more
requests are under way."""

BY_NAME = {case.name: case for case in (*CASES, *BUSY)}
