"""`sandbox`: serves the stand-in for the API until it is interrupted."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Mapping

from worker.model.errors import UsageError
from worker.sandbox.command import serve_forever
from worker.sandbox.faults import parse_faults
from worker.sandbox.options import SandboxOptions
from worker.settings.options import Option
from worker.settings.parse import BadValueError, from_text


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve; the exit code. Raises UsageError."""
    options = SandboxOptions(
        host=args.host,
        port=_whole("--port", args.port, most=65535),
        latency=_seconds("--latency", args.latency),
        rate=_rate(args.rate),
        burst=_whole("--burst", args.burst, least=1),
        faults=parse_faults(args.faults),
        listing_lag=_seconds("--listing-lag", args.listing_lag),
        seed=None if args.seed is None else _whole("--seed", args.seed),
    )
    return serve_forever(options)


def _whole(option: str, text: str, least: int = 0, most: int = 10**18) -> int:
    if not (re.fullmatch(r"[0-9]{1,19}", text) and least <= int(text) <= most):
        raise UsageError(f"{option}: {text[:40]!r} is not a whole number from {least} to {most}")
    return int(text)


def _seconds(option: str, text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 3600:
        raise UsageError(f"{option}: {text!r} is not a number of seconds from 0 to 3600")
    return seconds


def _rate(text: str) -> float | None:
    try:
        rate = from_text(Option("rate", "rate", None, ""), text)
    except BadValueError as error:
        raise UsageError(f"--rate: {error}") from None
    return None if rate is None else float(str(rate))
