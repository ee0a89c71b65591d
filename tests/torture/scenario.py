"""What is tortured how, from a seed: the job, the server's faults, the run's options, and where
kills are aimed."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.command import source_id
from worker.sandbox.options import SandboxOptions

PHASES = (
    "opening",
    "planning",
    "looking",
    "sending",
    "recording",
    "settling",
    "setting",
    "writing",
    "finishing",
)
"""Where a kill can be aimed: at a moment after the run has said that it is there."""

_AIM = (1, 1, 2, 4, 5, 4, 5, 4, 1)
"""How often at each."""

_WEATHER: Mapping[str, Mapping[str, float]] = {
    "fine": {},
    "dropped": {"drop-answer": 0.25, "cut-answer": 0.1},
    "late": {"late": 0.25},
    "failing": {"error-500": 0.12, "error-500-after": 0.12, "drop-request": 0.05},
    "busy": {"busy": 0.04, "drop-answer": 0.1},
    "refusing": {"refuse": 0.1, "unauthorised": 0.1, "drop-answer": 0.1},
    "listing": {"list-short": 0.15, "list-500": 0.1, "drop-answer": 0.15},
    "mixed": {
        "drop-answer": 0.1,
        "late": 0.1,
        "error-500": 0.05,
        "error-502": 0.05,
        "error-500-after": 0.1,
    },
}


@dataclass(frozen=True, slots=True)
class Aim:
    """Kill `after_s` seconds after the `time`-th time that the run has said `phase`."""

    phase: str
    time: int
    after_s: float


@dataclass(frozen=True, slots=True)
class Scenario:
    """One job with its server. `all_made`: nothing keeps every row from being created in the
    end."""

    seed: int
    weather: str
    rows: tuple[Mapping[str, object], ...]
    options: SandboxOptions
    arguments: tuple[str, ...]
    refresh_s: float
    aims: tuple[Aim, ...]
    all_made: bool
    wanted: int = field(default=0)


def scenario(seed: int) -> Scenario:
    """The scenario of a seed."""
    dice = random.Random(seed)
    weather = dice.choice(tuple(_WEATHER))
    sources = [source_id(seed % 1000 * 100 + n) for n in range(dice.randint(1, 6))]
    rows = [
        {
            "batch_id": dice.choice(sources),
            "name": dice.choice((f"Row {n}", f"Row {n} of {{source_name}}", f"{{n}} in {n}")),
            "upload_new_dataset": dice.choice(("false", "false", "true")),
            "copies": dice.choice((1, 1, 1, 2, 3)),
        }
        for n in range(dice.randint(4, 18))
    ]
    for number, source in enumerate(sources):
        if (
            dice.random() < 0.2
        ):  # alike ones: several copies with the API's own name, or with one name
            name = dice.choice(("", f"Alike {number}"))
            rows.append(
                {
                    "batch_id": source,
                    "name": name,
                    "upload_new_dataset": "false",
                    "copies": dice.randint(1, 4),
                }
            )
    sets_up = random.Random(f"setups {seed}")
    if sets_up.random() < 0.6:
        for row in rows:
            none = row["upload_new_dataset"] == "true"
            row["tasks_per_group"] = "" if none else sets_up.choice(("", "3", "3"))
    late = "late" in _WEATHER[weather]
    lag = dice.choice((0.0, 0.0, 0.1))
    settle_after = 0.5 if late or lag else dice.choice((0.2, 0.3))
    options = SandboxOptions(
        latency=dice.choice((0.0, 0.005, 0.02)),
        faults=_WEATHER[weather],
        listing_lag=lag,
        seed=dice.randrange(2**31),
        late_by=(0.02, 0.15),
        processing=sets_up.choice((0.0, 0.2)),
        retry_after=dice.random() < 0.5,
    )
    arguments = (
        "run",
        "job.csv",
        "--yes",
        "--json",
        "--log-format",
        "json",
        "--timeout",
        "1.5",
        "--give-up-after",
        "20",
        "--settle-after",
        str(settle_after),
        "--max-in-flight",
        str(dice.choice((1, 2, 4, 8, 16))),
        "--follow",
        sets_up.choice(("0", "5")),
        "--rate",
        dice.choice(("unlimited", "unlimited", "100/s", "40/s")),
    )
    return Scenario(
        seed=seed,
        weather=weather,
        rows=tuple(rows),
        options=options,
        arguments=arguments,
        refresh_s=dice.choice((0.02, 0.05, 30.0)),
        aims=tuple(_aim(dice) for _ in range(dice.randint(3, 8))),
        all_made=weather not in ("refusing", "listing"),
        wanted=sum(int(str(row["copies"])) for row in rows),
    )


def _aim(dice: random.Random) -> Aim:
    (phase,) = dice.choices(PHASES, _AIM)
    time = dice.choice((1, 1, 2, 3, 5, 8)) if phase in ("recording", "writing") else 1
    longest = {
        "sending": 0.4,
        "settling": 1.0,
        "setting": 0.4,
        "writing": 0.004,
        "recording": 0.002,
        "planning": 0.003,
    }.get(phase, 0.1)
    return Aim(phase, time, dice.uniform(0, longest))
