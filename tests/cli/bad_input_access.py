"""Bad tokens, token files, addresses of the API, and certificates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.cli.bad_input import SECRET, Case, config, option, variables


def _token(what: str, token: str, *says: str, process: bool = False) -> Case:
    return variables(
        what,
        {"PROLIFIC_TOKEN": token},
        *(f"PROLIFIC_TOKEN: {text}" for text in says),
        process=process,
    )


def _address(what: str, url: str, says: str, process: bool = False) -> Case:
    return variables(what, {"PROLIFIC_URL": url}, f"PROLIFIC_URL: {says}", process=process)


def _token_file(
    what: str,
    says: str,
    content: str | bytes | None = f"{SECRET}\n",
    mode: int = 0o600,
    process: bool = False,
) -> Case:
    """The config names a token file with this content and mode, and there is no other token."""

    def own(folder: Path) -> None:
        (folder / "secret").chmod(mode)

    files: dict[str, str | bytes | None] = {
        "config.toml": 'token_file = "secret"\n',
        "secret": content,
    }
    text = f"config.toml:1: token_file: {says}"
    return Case(
        what, (text,), files=files, env={"PROLIFIC_TOKEN": ""}, prepare=own, process=process
    )


def _no_token_file(
    what: str, path: str, says: str, prepare: Callable[[Path], object] | None = None
) -> Case:
    """The environment names a token file that is none."""
    env = {"PROLIFIC_TOKEN": "", "DUPLICATE_BATCHES_TOKEN_FILE": path}
    return Case(what, (f"DUPLICATE_BATCHES_TOKEN_FILE: {says}",), env=env, prepare=prepare)


ACCESS: tuple[Case, ...] = (
    # the token
    variables(
        "no token",
        {"PROLIFIC_TOKEN": ""},
        "There is no API token.",
        "PROLIFIC_TOKEN",
        "--sandbox",
        process=True,
    ),
    variables("a token of spaces", {"PROLIFIC_TOKEN": " \t\n"}, "There is no API token."),
    _token(
        "a token on two lines",
        f"{SECRET}\nX-Header: 1",
        "contains a line break; a token is one line",
        process=True,
    ),
    _token("a token with a carriage return", f"{SECRET}\r{SECRET}", "contains a line break"),
    _token(
        "a token with a space",
        f"{SECRET} {SECRET}",
        "contains spaces or characters that no token has; copy it again",
    ),
    _token(
        "a token with a hidden character",
        f"{SECRET}\u200b",
        "contains spaces or characters that no token has",
    ),
    _token(
        "a token in other letters", f"{SECRET}é", "contains spaces or characters that no token has"
    ),
    _token(
        "a token in bytes that are no text",
        f"{SECRET}\udcff",
        "contains spaces or characters that no token has",
    ),
    _token(
        "a token with its scheme",
        f"Token {SECRET}",
        "begins with a part of the request header; give only the token",
    ),
    _token(
        "a token with another scheme",
        f"bearer {SECRET}",
        "begins with a part of the request header",
    ),
    _token(
        "a token with its header",
        f"Authorization: Token {SECRET}",
        "begins with a part of the request header",
    ),
    _token("a token in quotes", f'"{SECRET}"', "begins or ends with a quote; give only the token"),
    _token(
        "a token without end", SECRET * 100, "is longer than 1,024 characters, so it is not a token"
    ),
    variables(
        "a token by the wrong variable",
        {"DUPLICATE_BATCHES_TOKEN": SECRET},
        "DUPLICATE_BATCHES_TOKEN: the token is not a setting; put it in the variable",
    ),
    config(
        "a token in the config",
        f'\ntoken = "{SECRET}"\n',
        "config.toml:2: token: the token is not a setting",
    ),
    config(
        "a token in the config by another name",
        f'PROLIFIC_TOKEN = "{SECRET}"\n',
        "the token is not a setting",
    ),
    config(
        "a broken config with a token",
        f"token = {SECRET}\n",
        "config.toml:1: ",
        "not valid TOML",
        process=True,
    ),
    Case(
        "a bad token in a check",
        ("PROLIFIC_TOKEN: begins or ends with a quote",),
        "check job.csv",
        env={"PROLIFIC_TOKEN": "'s3cr3t'"},
    ),
    # its file
    _token_file(
        "a token file that others can read",
        "other users can access this file (mode 0644)",
        mode=0o644,
    ),
    _token_file(
        "a token file that a group can write",
        "other users can access this file",
        mode=0o620,
    ),
    _token_file("an empty token file", "the file is empty; it should contain the token", "\n"),
    _token_file(
        "a token file on two lines", "contains a line break", f"{SECRET}\n{SECRET}\n", process=True
    ),
    _token_file(
        "a token file in Latin-1", "the file is not UTF-8 text", f"{SECRET}\xeb".encode("latin-1")
    ),
    _token_file("a token file in UTF-16", "the file is not UTF-8 text", SECRET.encode("utf-16")),
    _token_file("a token file without end", "the file is larger than 4,096 bytes", SECRET * 1000),
    _token_file(
        "a token file that is a variable",
        "has a name before the token",
        f"export PROLIFIC_TOKEN={SECRET}\n",
    ),
    _token_file("a token file that is a folder", "is not a regular file", None, 0o700),
    _no_token_file(
        "a token file that is not there", "no-such-file", "the file cannot be opened: No such file"
    ),
    _no_token_file(
        "a token file in a file", "job.csv/token", "the file cannot be opened: Not a directory"
    ),
    _no_token_file("a token file that is a device", "/dev/zero", "is not a regular file"),
    _no_token_file("a token for its file", SECRET, "the file cannot be opened", None),
    _no_token_file(
        "a token file that is itself a link",
        "loop",
        "the file cannot be opened",
        lambda f: (f / "loop").symlink_to("loop"),
    ),
    config(
        "a token file that is a number",
        "token_file = 5\n",
        "config.toml:1: token_file: must be text in quotes",
    ),
    # the address
    _address(
        "plain http to another host",
        "http://api.prolific.com",
        "is http, which is only allowed for this computer",
        True,
    ),
    _address(
        "plain http to a neighbour",
        "http://192.168.1.1",
        "is http, which is only allowed for this computer",
    ),
    _address(
        "http to a host that sounds like this one",
        "http://localhost.example.org",
        "is http, which is only allowed for",
    ),
    _address(
        "an address with a password",
        f"https://me:{SECRET}@api.prolific.com",
        "contains a user name or password",
        True,
    ),
    _address(
        "an address with a user",
        f"https://{SECRET}@api.prolific.com",
        "contains a user name or password",
    ),
    _address(
        "an address with a path",
        "https://api.prolific.com/api/v1",
        "contains a path; give only scheme, host and port",
    ),
    _address(
        "an address with a query",
        f"https://api.prolific.com?token={SECRET}",
        "contains a query or a fragment",
    ),
    _address(
        "an address without a scheme", "api.prolific.com", "is not an https address with a host"
    ),
    _address("an address of a file", "file:///etc/passwd", "is not an https address with a host"),
    _address("an empty address", "", "is empty; unset it to use https://api.prolific.com"),
    _address("an address without a host", "https://", "is not an https address with a host"),
    _address(
        "a port that cannot be",
        "https://api.prolific.com:99999",
        "has an invalid host or port",
    ),
    _address(
        "a port in words", f"https://api.prolific.com:{SECRET}", "has an invalid host or port"
    ),
    _address("an IPv6 address cut short", "https://[::1", "has an invalid host or port"),
    _address(
        "an address with a line break",
        "https://api.prolific.com\n",
        "contains characters that are not allowed in an address",
    ),
    _address(
        "an address in other letters",
        "https://äpi.prolific.com",
        "contains characters that are not allowed in an address",
    ),
    # certificates
    variables(
        "certificates that are not there",
        {"SSL_CERT_FILE": "no-such-file.pem"},
        "SSL_CERT_FILE: no-such-file.pem cannot be read: No such file",
        process=True,
    ),
    variables(
        "certificates that are a folder",
        {"SSL_CERT_FILE": "home"},
        "SSL_CERT_FILE: home cannot be read: Is a dir",
    ),
    variables(
        "certificates that are none",
        {"SSL_CERT_FILE": "job.csv"},
        "SSL_CERT_FILE: job.csv contains no certificates",
    ),
    variables(
        "an empty name of certificates", {"SSL_CERT_FILE": ""}, "SSL_CERT_FILE: is empty; unset it"
    ),
    # the token on the command line
    *(
        option(
            f"a token as an option, {how}",
            f"--token{separator}{SECRET}",
            "there is no option --token: set the variable PROLIFIC_TOKEN",
        )
        for how, separator in (("alone", " "), ("in one word", "="))
    ),
    # proxies
    *(
        variables(
            what,
            {"PROLIFIC_URL": "https://localhost:1", "HTTPS_PROXY": proxy},
            "HTTPS_PROXY (or ALL_PROXY): ",
        )
        for what, proxy in (
            ("a proxy that is no address", "http://[::1"),
            ("a proxy whose port cannot be", "http://localhost:99999"),
        )
    ),
)
