"""Pings a monitoring address by the convention of Healthchecks: ADDRESS/start, then ADDRESS or
ADDRESS/fail with the summary as the body (https://healthchecks.io/docs/http_api/)."""

from __future__ import annotations

from http.client import HTTPException
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from worker import __version__

TIMEOUT_S = 5.0
"""Seconds that one step of a ping may take."""

MOST_BYTES = 100_000
"""Bytes of a body that Healthchecks keeps at most."""


def ping(address: str, signal: str = "", body: bytes = b"") -> str | None:
    """POST the beginning of `body` to the address, with `signal` (`start`, `fail`) after its path.
    Returns what went wrong, without the address; None if the answer is 2xx."""
    parts = urlsplit(address)
    path = "/".join(filter(None, (parts.path.rstrip("/"), signal)))
    request = Request(  # noqa: S310 - the settings accept http and https only
        urlunsplit(parts._replace(path=path)),
        data=body[:MOST_BYTES],
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
