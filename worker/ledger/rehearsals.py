"""What to do about a ledger that rehearsals have used. Pure."""

from __future__ import annotations


def rehearsed(api_url: str, what_to_do: str) -> str:
    """What to do about a ledger of the API at this address if that is one on this machine, such as
    a sandbox (only such an address may be plain http); empty if it is not."""
    if not api_url.startswith("http://"):
        return ""
    return f"This looks like a rehearsal: nothing in it is real. {what_to_do}"
