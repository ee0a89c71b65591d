"""What a web address may look like: its characters, its host, and the template of a batch's
address. Pure; messages never repeat an address, which may contain a password."""

from __future__ import annotations

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

EXAMPLE: Final = "https://example.org/batches/{id}"
"""An address of a batch, for messages."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_ID: Final = "{id}"


def unfit_address(text: str, *, plain_http: bool = False) -> str | None:
    """Why `text` is not an address that may be used; None if it is.

    It has a host and no user name or password. It is https, or http to this computer, or any http
    with `plain_http`."""
    # urlsplit silently drops tabs and line breaks.
    if not (text.isascii() and text.isprintable()) or set(text) & set(' "<>\\^`{|}'):
        return "contains characters that are not allowed in an address"
    try:
        parts = urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # an invalid port or IPv6 address; the error's own text repeats it
        return "has an invalid host or port"
    kind = "http or https" if plain_http else "https"
    reasons = {
        f"is not an {kind} address with a host": parts.scheme not in {"https", "http"} or not host,
        "contains a user name or password": "@" in parts.netloc,
        "has an invalid host or port": port == 0 or not _is_host(host),
        "is http, which is only allowed for this computer (localhost, 127.0.0.1, [::1])": (
            parts.scheme == "http" and not plain_http and not _is_loopback(host)
        ),
    }
    return next((why for why, wrong in reasons.items() if wrong), None)


def unfit_batch_url(text: str) -> str | None:
    """Why `text` is not the template of a batch's address; None if it is: an address that contains
    {id} after the host."""
    if _ID not in text:
        return "does not contain {id}, which stands for the batch id"
    filled = text.replace(_ID, "0")
    if "{" in filled or "}" in filled:
        return "contains another brace; the only placeholder is {id}"
    if why := unfit_address(filled):
        return why
    return "has {id} in the host; put it after the host" if _ID in urlsplit(text).netloc else None


def _is_host(host: str) -> bool:
    """Whether `host`, in lower case, is a name or an IP address."""
    if ":" in host:
        return "%" not in host and _address(host) is not None
    return _HOST.fullmatch(host) is not None and ".." not in host


def _is_loopback(host: str) -> bool:
    address = _address(host)
    return host == "localhost" or (address is not None and address.is_loopback)


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None
