"""What a sandbox is asked to be. Nothing here acts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from worker.model.errors import UsageError
from worker.sandbox.faults import check_faults


@dataclass(frozen=True, slots=True)
class SandboxOptions:
    """How the sandbox listens, how fast it is and how it misbehaves; UsageError for a value that
    makes no sense.

    `port` 0 takes a free one. Any token but `token` gets 401. `latency` is the mean time of an
    answer in seconds, spread at random; 0 is none. More than `rate` duplicate requests a second
    (None: no limit), after a `burst`, get 429, with Retry-After where `retry_after` is on. `faults`
    is a probability (0 to 1) by the name of a fault (see `FAULTS`). A new batch is missing from
    listings for `listing_lag` seconds. The same `seed` misbehaves alike. `late_by` is between how
    many seconds the batch of a late fault comes after its answer."""

    host: str = "127.0.0.1"
    port: int = 0
    token: str = "sandbox-token"  # noqa: S105 - it opens nothing
    latency: float = 0.05
    rate: float | None = None
    burst: int = 5
    retry_after: bool = True
    faults: Mapping[str, float] = field(default_factory=dict)
    listing_lag: float = 0.0
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
        if not self.listing_lag >= 0:
            raise UsageError(
                f"The sandbox's listing lag must be 0 seconds or more, not {self.listing_lag:g}."
            )
