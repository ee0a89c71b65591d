"""`sandbox`: serves the stand-in for the API until it is interrupted."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from worker.model.errors import UsageError
from worker.sandbox.command import serve_forever
from worker.sandbox.faults import parse_faults
from worker.sandbox.options import SandboxOptions
from worker.settings.values import BadValueError, Count, Rate, ValueType, unquoted

_Port = Annotated[int, Field(ge=0, le=65_535), unquoted("a whole number from 0 to 65535")]
_Seed = Annotated[int, Field(ge=0, le=10**18), unquoted("a whole number from 0 to 10**18")]
_Delay = Annotated[
    float,
    Field(ge=0, le=3600, allow_inf_nan=False),
    unquoted("a number of seconds from 0 to 3600"),
]
_TYPES: Final[Mapping[str, Any]] = {
    "port": _Port,
    "latency": _Delay,
    "rate": Rate,
    "burst": Count,
    "listing_lag": _Delay,
    "processing": _Delay,
    "seed": _Seed,
}


def main(args: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Serve until interrupted. Returns the exit code. Raises UsageError."""
    values = {
        key: _read(key, written) for key in _TYPES if (written := getattr(args, key)) is not None
    }
    return serve_forever(SandboxOptions(host=args.host, faults=parse_faults(args.faults), **values))


def _read(key: str, text: str) -> Any:
    try:
        return ValueType(_TYPES[key]).from_text(text)
    except BadValueError as error:
        raise UsageError(f"--{key.replace('_', '-')}: {error}") from None
