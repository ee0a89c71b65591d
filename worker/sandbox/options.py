"""The options of a sandbox. Nothing here acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.model.errors import UsageError
from worker.sandbox.batch import PROCESSING_SECONDS
from worker.sandbox.faults import check_faults


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """Where the sandbox listens, how fast it is, and how it misbehaves. Raises UsageError for a
    value out of range.

    port         the port to listen on; 0: any free one
    token        the valid token; any other gets 401
    latency      mean seconds until an answer, varied at random; 0: none
    rate, burst  `burst` duplicate requests at once and `rate` a second are answered; more get 429
                 (`rate` None: no limit)
    retry_after  whether a 429 has a Retry-After
    faults       the probability (0 to 1) of each fault, by its name in `FAULTS`
    processing   for how many seconds a batch is PROCESSING after it was set up
    listing_lag  for how many seconds a new batch is missing from listings
    seed         the same seed draws the same faults; None: different ones each time
    late_by      a late fault's batch is created this many seconds after its answer (from, to)
    """

    host: str = "127.0.0.1"
    port: int = 0
    token: str = "sandbox-token"  # noqa: S105 - it opens nothing
    latency: float = 0.05
    rate: float | None = None
    burst: int = 5
    retry_after: bool = True
    faults: Mapping[str, float] = field(default_factory=dict)
    listing_lag: float = 0.0
    processing: float = PROCESSING_SECONDS
    seed: int | None = None
    late_by: tuple[float, float] = (1.0, 3.0)

    def __post_init__(self) -> None:
        check_faults(self.faults)
        if not 0 <= self.port <= 65_535:
            raise UsageError(f"The sandbox's port must be from 0 to 65535, not {self.port}.")
        if self.rate is not None and not self.rate > 0:
            raise UsageError(f"The sandbox's rate must be more than 0 a second, not {self.rate:g}.")
        if self.burst < 1:
            raise UsageError(f"The sandbox's burst must be at least 1, not {self.burst}.")
        if not self.latency >= 0:
            raise UsageError(
                f"The sandbox's latency must be 0 seconds or more, not {self.latency:g}."
            )
        if not self.processing >= 0:
            raise UsageError(
                f"The sandbox's processing time must be 0 seconds or more, not {self.processing:g}."
            )
        if not self.listing_lag >= 0:
            raise UsageError(
                f"The sandbox's listing lag must be 0 seconds or more, not {self.listing_lag:g}."
            )
