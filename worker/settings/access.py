"""Access to the API: its address, and the token from the environment or the token file.

No message here contains the token or anything that may be one. That excludes the path in
`token_file`, where somebody may have put the token itself, and an address, which may contain a
password."""

from __future__ import annotations

import os
import re
import ssl
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from worker.model.errors import UsageError
from worker.settings.addresses import unfit_address
from worker.settings.settings import Settings

DEFAULT_URL: Final = "https://api.prolific.com"
_MAX_TOKEN: Final = 1024  # characters
_MAX_FILE: Final = 4096  # bytes
# A name before the token, as shells, config files and .env files write it: `export
# PROLIFIC_TOKEN=…`, `token: …`. (A token may end in "=".)
_NAMED = re.compile(
    r"^\s*(export\s+|setx?\s+|\$env:)?[\"']?[\w.-]*(token|key|secret)[\"']?\s*[=:]\s*[^\s=]",
    re.IGNORECASE | re.MULTILINE,
)


def read_token(settings: Settings, environ: Mapping[str, str]) -> str:
    """The API token, from `PROLIFIC_TOKEN`, or else from the file that `token_file` names.

    It is 1 to 1024 characters of printable ASCII without spaces. Raises `UsageError` if there is no
    token, if the text cannot be one, or if other users can read the file."""
    if written := environ.get("PROLIFIC_TOKEN", "").strip():
        return _checked(written, "PROLIFIC_TOKEN")
    if settings.token_file is None:
        raise UsageError(
            "There is no API token.",
            hint=(
                "Set the variable PROLIFIC_TOKEN, or set token_file in the config file to the path"
                " of a file that only you can read. To rehearse without a token, add --sandbox."
            ),
        )
    origin = settings.origin("token_file")
    others = 0o037 if _is_credential(settings.token_file, environ) else 0o077
    written = _read_private(settings.token_file, origin, others).strip()
    if not written:
        raise UsageError(f"{origin}: the file is empty; it should contain the token")
    return _checked(written, origin)


def check_certificates(environ: Mapping[str, str]) -> None:
    """Raise `UsageError` if `SSL_CERT_FILE` names no certificates: OpenSSL would silently trust
    nobody."""
    path = environ.get("SSL_CERT_FILE")
    if path is None:
        return
    if not path:
        raise UsageError("SSL_CERT_FILE: is empty; unset it to use the system's certificates")
    try:
        ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise UsageError(f"SSL_CERT_FILE: {path} contains no certificates (PEM)") from None
    except OSError as error:
        raise UsageError(f"SSL_CERT_FILE: {path} cannot be read: {error.strerror}") from error


def api_url(environ: Mapping[str, str]) -> str:
    """The API's address from `PROLIFIC_URL`, without a slash at its end and with its host in lower
    case.

    Keeps a port unless it is the scheme's default. Raises `UsageError` for anything but https with
    a host, or http with this machine's loopback."""
    text = environ.get("PROLIFIC_URL", DEFAULT_URL)
    if not text.strip():
        raise UsageError(f"PROLIFIC_URL: is empty; unset it to use {DEFAULT_URL}")
    if why := unfit_address(text) or _more_than_a_host(text):
        raise UsageError(f"PROLIFIC_URL: {why}; write it as {DEFAULT_URL}")
    parts = urlsplit(text)
    host, port = parts.hostname or "", parts.port
    shown = f"[{host}]" if ":" in host else host
    own = {"https": 443, "http": 80}[parts.scheme]
    return f"{parts.scheme}://{shown}" + (f":{port}" if port not in {None, own} else "")


def _more_than_a_host(address: str) -> str | None:
    if "?" in address or "#" in address:
        return "contains a query or a fragment"
    if urlsplit(address).path.strip("/"):
        return "contains a path; give only scheme, host and port"
    return None


def _is_credential(path: Path, environ: Mapping[str, str]) -> bool:
    """Whether systemd gave this file to the service alone (`LoadCredential=`). It grants access by
    an access control list, which shows as mode 0440 although no group can read the file."""
    folder = environ.get("CREDENTIALS_DIRECTORY")
    return bool(folder) and os.path.realpath(path.parent) == os.path.realpath(folder or "")


def _read_private(path: os.PathLike[str], origin: str, others: int) -> str:
    """The text of the file at `path`, which must be a small regular file whose mode has none of the
    bits `others`."""
    try:
        # Without O_NONBLOCK, opening a named pipe would wait for ever. The checks below look at the
        # opened file.
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except OSError as error:
        hint = "token_file is the path of a file that contains the token, not the token itself."
        if isinstance(error, FileNotFoundError):
            hint += " If you have not written the file yet, write the token into it, and nothing"
            hint += " else, and run chmod 600 on it."
        raise UsageError(
            f"{origin}: the file cannot be opened: {error.strerror}", hint=hint
        ) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise UsageError(
                f"{origin}: is not a regular file; give the path of a file that contains the token"
            )
        if os.name == "posix" and mode & others:
            raise UsageError(
                f"{origin}: other users can access this file (mode {mode & 0o777:04o})",
                hint="Run chmod 600 on the file.",
            )
        data = os.read(descriptor, _MAX_FILE + 1)
    finally:
        os.close(descriptor)
    if len(data) > _MAX_FILE:
        raise UsageError(
            f"{origin}: the file is larger than {_MAX_FILE:,} bytes; it should contain only the"
            " token"
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UsageError(
            f"{origin}: the file is not UTF-8 text; it should contain only the token"
        ) from None


def _checked(token: str, origin: str) -> str:
    """`token`, if a header can carry it. Raises `UsageError` that says what is wrong and shows no
    part of the token."""
    lower = token.lower()
    if _NAMED.search(token):
        why = "has a name before the token, as in PROLIFIC_TOKEN=…; give only the token"
    elif token[0] in "{[":
        why = "looks like JSON or a config file; give only the token"
    elif "\n" in token or "\r" in token:
        why = "contains a line break; a token is one line"
    elif lower.startswith(("authorization:", "token ", "bearer ")):
        why = (
            "begins with a part of the request header; give only the token, without 'Token ' before"
            " it"
        )
    elif token[0] in "'\"" or token[-1] in "'\"":
        why = "begins or ends with a quote; give only the token, without quotes"
    elif not all("!" <= character <= "~" for character in token):
        why = "contains spaces or characters that no token has; copy it again"
    elif len(token) > _MAX_TOKEN:
        why = f"is longer than {_MAX_TOKEN:,} characters, so it is not a token; copy it again"
    else:
        return token
    raise UsageError(f"{origin}: {why}")
