"""Pings a monitoring address by the convention of Healthchecks: ADDRESS/start, then ADDRESS or
ADDRESS/fail with the summary as the body (https://healthchecks.io/docs/http_api/)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from worker import __version__

TIMEOUT_S = 5.0
"""Seconds that one step of a ping may take."""

MOST_BYTES = 100_000
"""The longest body that Healthchecks keeps."""


def ping(address: str, signal: str = "", body: bytes = b"") -> str | None:
    """POST the `body` to the address, with `signal` (`start`, `fail`) behind its path. Returns what
    went wrong, without the address; None if it was answered with 2xx."""
    parts = urlsplit(address)
    path = "/".join(filter(None, (parts.path.rstrip("/"), signal)))
    request = Request(  # noqa: S310 - the settings accept http and https only
        urlunsplit(parts._replace(path=path)),
        data=body,
        headers={
            "Content-Type": "application/json",
            "User-Agent": f"duplicate-batches/{__version__}",
        },
        method="POST",
    )
    try:
        with urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 - as above
            return None
    except HTTPError as error:
        return f"it was answered with HTTP {error.code}"
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", error)
        return f"it was not answered ({type(reason).__name__})"


def body_of(summaries: list[Mapping[str, Any]]) -> bytes:
    """The summaries as lines of JSON, counts first; what would be too long is left out."""
    lines = (json.dumps(_counts_first(one), ensure_ascii=False) for one in summaries)
    return "\n".join(lines).encode("utf-8", "replace")[:MOST_BYTES]


def _counts_first(summary: Mapping[str, Any]) -> dict[str, Any]:
    first = ("campaign", "exit_code", "counts", "stopped_by")
    return {key: summary[key] for key in first if key in summary} | dict(summary)
