"""The token and the API's address: what is taken, what is refused, and that no message tells
them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.settings.support import load
from worker.model.errors import UsageError
from worker.settings.access import api_url, read_token

SECRET = "tok-5ecret-0123456789"


def from_file(folder: Path, content: bytes, mode: int = 0o600) -> str:
    file = folder / "token"
    file.write_bytes(content)
    file.chmod(mode)
    return read_token(load(folder, config='\ntoken_file = "token"'), {})


def refused(folder: Path, content: bytes, mode: int = 0o600) -> str:
    with pytest.raises(UsageError) as caught:
        from_file(folder, content, mode)
    return str(caught.value)


def test_token_from_the_environment(tmp_path: Path) -> None:
    assert read_token(load(tmp_path), {"PROLIFIC_TOKEN": SECRET}) == SECRET
    assert read_token(load(tmp_path), {"PROLIFIC_TOKEN": SECRET + "\r\n"}) == SECRET


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b" \n", b"\n\n"])
def test_token_from_a_file(tmp_path: Path, end: bytes) -> None:
    assert from_file(tmp_path, SECRET.encode() + end) == SECRET
    assert from_file(tmp_path, b"\xef\xbb\xbf" + SECRET.encode() + end, 0o400) == SECRET


@pytest.mark.parametrize("token", ["c2VjcmV0LXRva2VuLWtleQ==", "my-token=", "abckey==", "token"])
def test_a_token_may_end_as_base64_does(tmp_path: Path, token: str) -> None:
    assert from_file(tmp_path, token.encode()) == token


def test_token_of_one_and_of_1024_characters(tmp_path: Path) -> None:
    assert from_file(tmp_path, b"x") == "x"
    assert from_file(tmp_path, b"x" * 1024) == "x" * 1024


def test_the_variable_goes_before_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, config='token_file = "not there"')
    assert read_token(settings, {"PROLIFIC_TOKEN": SECRET}) == SECRET


@pytest.mark.parametrize("environ", [{}, {"PROLIFIC_TOKEN": ""}, {"PROLIFIC_TOKEN": " \n"}])
def test_no_token_tells_every_way(tmp_path: Path, environ: dict[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        read_token(load(tmp_path), environ)
    assert all(word in str(caught.value) for word in ("PROLIFIC_TOKEN", "token_file", "--sandbox"))


BAD_TOKENS = [
    (f"Token {SECRET}", "without 'Token ' before it"),
    (f"token {SECRET}", "without 'Token ' before it"),
    (f"Bearer {SECRET}", "begins with a part of the request header"),
    (f"Authorization: Token {SECRET}", "begins with a part of the request header"),
    (f"{SECRET}\n{SECRET}", "contains a line break; a token is one line"),
    (f"{SECRET}\r{SECRET}", "contains a line break"),
    (f"{SECRET} {SECRET}", "contains spaces or characters that no token has"),
    (f"{SECRET}\t{SECRET}", "contains spaces or characters"),
    (f"{SECRET}\0", "contains spaces or characters"),
    (f"{SECRET}ü", "contains spaces or characters"),
    (f"\u201c{SECRET}\u201d", "contains spaces or characters"),
    (f'"{SECRET}"', "begins or ends with a quote"),
    (f"'{SECRET}'", "begins or ends with a quote"),
    (
        f"PROLIFIC_TOKEN={SECRET}",
        "has a name before the token, as in PROLIFIC_TOKEN=…; give only the token",
    ),
    (f"export PROLIFIC_TOKEN='{SECRET}'", "has a name before the token"),
    (f'$env:PROLIFIC_TOKEN = "{SECRET}"', "has a name before the token"),
    (f"set PROLIFIC_TOKEN={SECRET}", "has a name before the token"),
    (f"token: {SECRET}", "has a name before the token"),
    (f"# mine\nAPI-Key = {SECRET}\nurl=x", "has a name before the token"),
    (f'{{"token": "{SECRET}"}}', "looks like JSON or a config file; give only the token"),
    (f'{{\n  "api": "{SECRET}"\n}}', "looks like JSON"),
    (f'["{SECRET}"]', "looks like JSON"),
    (f'[prolific]\ntoken = "{SECRET}"', "has a name before the token"),
    (SECRET * 50, "is longer than 1,024 characters"),
]


@pytest.mark.parametrize(("token", "says"), BAD_TOKENS)
def test_bad_token_in_the_environment(tmp_path: Path, token: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_token(load(tmp_path), {"PROLIFIC_TOKEN": token})
    assert str(caught.value).startswith("PROLIFIC_TOKEN: ")
    assert says in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(("token", "says"), BAD_TOKENS)
def test_bad_token_in_a_file(tmp_path: Path, token: str, says: str) -> None:
    message = refused(tmp_path, token.encode())
    assert message.startswith("config.toml:2: token_file: ")
    assert says in message
    assert SECRET not in message


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o644, 0o666, 0o777])
def test_token_file_that_others_can_get_at(tmp_path: Path, mode: int) -> None:
    message = refused(tmp_path, SECRET.encode(), mode)
    assert message.startswith("config.toml:2: token_file: other users can access this file")
    assert "chmod 600" in message
    assert SECRET not in message


CREDENTIAL_PLACES: dict[str, tuple[str, int, bool]] = {
    "as systemd grants it by mode": ("", 0o400, True),
    "as systemd grants it by an access control list": ("", 0o440, True),
    "readable by everybody": ("", 0o444, False),
    "writable by a group": ("", 0o460, False),
    "in a folder below": ("below", 0o440, False),
}


@pytest.mark.parametrize(
    ("below", "mode", "fits"), CREDENTIAL_PLACES.values(), ids=CREDENTIAL_PLACES
)
def test_a_credential_of_systemd_is_private(
    tmp_path: Path, below: str, mode: int, fits: bool
) -> None:
    (tmp_path / below).mkdir(exist_ok=True)
    file = tmp_path / below / "token"
    file.write_bytes(b"abc\n")
    file.chmod(mode)
    environ = {
        "DUPLICATE_BATCHES_TOKEN_FILE": str(file),
        "CREDENTIALS_DIRECTORY": f"{tmp_path}/",
    }
    settings = load(tmp_path, environ=environ)
    if fits:
        assert read_token(settings, environ) == "abc"
    else:
        with pytest.raises(UsageError, match="other users can access this file"):
            read_token(settings, environ)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "the file is empty"),
        (b" \n", "the file is empty"),
        (SECRET.encode() + b"\xff", "the file is not UTF-8 text"),
        (SECRET.encode("utf-16"), "the file is not UTF-8 text"),
        (SECRET.encode() * 300, "the file is larger than 4,096 bytes"),
    ],
)
def test_token_file_that_holds_none(tmp_path: Path, content: bytes, says: str) -> None:
    message = refused(tmp_path, content)
    assert says in message
    assert SECRET not in message


def test_the_token_itself_as_token_file_is_not_told(tmp_path: Path) -> None:
    settings = load(tmp_path, config=f'token_file = "{SECRET}"')
    with pytest.raises(UsageError, match="not the token itself") as caught:
        read_token(settings, {})
    assert SECRET not in str(caught.value)
    assert str(caught.value).startswith("config.toml:1: token_file: the file cannot be opened: ")


def test_token_file_from_the_environment_is_named_so(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"DUPLICATE_BATCHES_TOKEN_FILE": "nowhere"})
    with pytest.raises(UsageError, match=r"^DUPLICATE_BATCHES_TOKEN_FILE: "):
        read_token(settings, {})


def test_token_file_that_is_a_folder_or_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "folder").mkdir(mode=0o700)
    for name in ("pipe", "folder"):
        with pytest.raises(UsageError, match=r"is not a regular file"):
            read_token(load(tmp_path, config=f'token_file = "{name}"'), {})


@pytest.mark.parametrize(
    ("written", "url"),
    [
        ("https://api.prolific.com", "https://api.prolific.com"),
        ("https://api.prolific.com/", "https://api.prolific.com"),
        ("HTTPS://API.Prolific.COM//", "https://api.prolific.com"),
        ("https://api.prolific.com:443", "https://api.prolific.com"),
        ("https://api.prolific.com:", "https://api.prolific.com"),
        ("https://api.prolific.com:8443", "https://api.prolific.com:8443"),
        ("http://localhost:8000/", "http://localhost:8000"),
        ("http://LOCALHOST", "http://localhost"),
        ("http://127.0.0.1:80", "http://127.0.0.1"),
        ("http://127.1.2.3:9", "http://127.1.2.3:9"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
    ],
)
def test_api_url(written: str, url: str) -> None:
    assert api_url({"PROLIFIC_URL": written}) == url


def test_api_url_by_default() -> None:
    assert api_url({}) == "https://api.prolific.com"


@pytest.mark.parametrize(
    ("written", "says"),
    [
        ("", "is empty; unset it to use https://api.prolific.com"),
        ("  ", "is empty"),
        ("s3cret.example", "is not an https address with a host"),
        ("//s3cret.example", "is not an https address with a host"),
        ("ftp://s3cret.example", "is not an https address with a host"),
        ("https://", "is not an https address with a host"),
        ("https:///s3cret", "is not an https address with a host"),
        ("https://user:s3cret@api.prolific.com", "contains a user name or password"),
        ("https://s3cret@api.prolific.com", "contains a user name or password"),
        ("https://@api.prolific.com", "contains a user name or password"),
        ("https://api.prolific.com?token=s3cret", "contains a query or a fragment"),
        ("https://api.prolific.com?", "contains a query or a fragment"),
        ("https://api.prolific.com/#s3cret", "contains a query or a fragment"),
        (
            "https://api.prolific.com/api/v1",
            "contains a path; give only scheme, host and port",
        ),
        ("http://api.prolific.com", "is http, which is only allowed for this computer"),
        ("http://10.0.0.1", "is http"),
        ("http://localhost.s3cret.example", "is http"),
        ("http://127.0.0.1.s3cret.example", "is http"),
        ("http://0.0.0.0", "is http"),
        ("http://[::ffff:10.0.0.1]", "is http"),
        ("http://127.1", "is http"),
        ("https://api.prolific.com:s3cret", "has an invalid host or port"),
        ("https://api.prolific.com:70000", "has an invalid host or port"),
        ("https://api.prolific.com:0", "has an invalid host or port"),
        ("https://[s3cret", "has an invalid host or port"),
        ("https://[::1%lo]", "has an invalid host or port"),
        ("https://a..b", "has an invalid host or port"),
        ("https://-a-", "has an invalid host or port"),
        ("https://api.pro\tlific.com", "contains characters that are not allowed in an address"),
        ("https://api.prolific.com\n", "contains characters that are not allowed in an address"),
        ("https://api.prolific.com ", "contains characters that are not allowed in an address"),
        (
            "https://api.prolific.com\\@s3cret.example",
            "contains characters that are not allowed in an address",
        ),
        ("https://äpi.prolific.com", "contains characters that are not allowed in an address"),
    ],
)
def test_bad_api_url(written: str, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        api_url({"PROLIFIC_URL": written})
    assert str(caught.value).startswith("PROLIFIC_URL: ")
    assert says in str(caught.value)
    assert "s3cret" not in str(caught.value)
