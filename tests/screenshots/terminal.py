"""Makes the pictures of a terminal in docs/images: `python -m tests.screenshots.terminal`.

The real command runs in a pseudo-terminal against a real sandbox; what its screen shows is kept as
SVG. What differs from one time to the next (batch ids, seconds) is replaced by what is always the
same, so that a picture changes only when the program does."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import tempfile
import termios
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyte
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.style import Style
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from tests.support.command import environment
from tests.support.sandbox_thread import SandboxThread
from worker.sandbox.options import SandboxOptions

SCRIPT = Path(sys.executable).with_name("duplicate-batches")
"""The command as a person types it: what it shows names the program so."""

IMAGES = Path(__file__).parents[2] / "docs" / "images"
COLUMNS, LINES = 100, 34
SOURCES = ("0192a3b4-5678-7abc-8def-0123456789ab", "0192a3b4-9abc-7def-8123-456789abcdef")
JOB = f"""\
batch_id,name,copies,x_team
{SOURCES[0]},Wave {{n:02}} of {{source_name}},12,north
{SOURCES[1]},Pilot {{n}} of {{copies}},3,south
00000000-5678-7abc-8def-0123456789ad,Retired,1,south
"""


ALWAYS = (
    (r"\(100%\) · \d+ s", "(100%) · 8 s"),
    (r"(?<!100)(%\) · )\d+ s", r"\g<1>4 s"),
    (r"\d\.\d/s of", "2.0/s of"),
    (r"\d+ in flight · ETA (\d+|under 1) s", "1 in flight · ETA 3 s"),
    (r", in \d+ s\.", ", in 8 s."),
)
"""What the clock says: a pattern, and what the pictures show."""

THEME = TerminalTheme(
    background=(24, 26, 31),
    foreground=(214, 218, 224),
    normal=[
        (60, 64, 72),
        (240, 113, 120),
        (140, 200, 120),
        (232, 190, 106),
        (110, 170, 240),
        (198, 140, 230),
        (90, 200, 200),
        (214, 218, 224),
    ],
)
FORMAT = re.sub(
    r"@font-face \{\{.*?\}\}\n|<!--.*?-->\n", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL
).replace("Fira Code, monospace", "ui-monospace, 'DejaVu Sans Mono', Menlo, Consolas, monospace")
"""rich's picture of a terminal, without the font that it would fetch from elsewhere."""

Screen = list[list[tuple[str, Style]]]
"""Lines, each of pieces of one style."""


@dataclass(frozen=True)
class Take:
    """A command, by the words after `duplicate-batches`, and the pictures of its screen: one when
    it has ended, and one at the first `moment` that is wanted."""

    arguments: str
    end: str
    moment: tuple[str, Callable[[str], bool]] | None = None


TAKES = (
    Take("check spring.csv", "check"),
    Take(
        "run spring.csv --rate 2/s --yes",
        "run-end",
        ("run", lambda screen: "\n9 created" in screen),
    ),
    Take("ledger spring.csv --format table", "ledger"),
)


def main() -> None:
    """Take every picture."""
    IMAGES.mkdir(parents=True, exist_ok=True)
    for stem, svg in pictures(TAKES):
        (IMAGES / f"{stem}.svg").write_text(svg, encoding="utf-8")


def pictures(takes: Sequence[Take]) -> Iterator[tuple[str, str]]:
    """Each picture's name and SVG, taken one after the other in one folder, as a person would."""
    with (
        tempfile.TemporaryDirectory() as name,
        SandboxThread(SandboxOptions(latency=0.05, seed=7)) as server,
    ):
        folder = Path(name) / "waves"
        folder.mkdir()
        (folder / "spring.csv").write_text(JOB, encoding="utf-8")
        for source in SOURCES:
            server.world.find(source)
        path = os.pathsep.join((str(SCRIPT.parent), os.environ.get("PATH", "")))
        environ = environment(
            folder, server.url, server.token, TERM="xterm-256color", LANG="C.UTF-8", PATH=path
        )
        same = Same(server.url)
        for take in takes:
            for stem, screen in film(take, folder, environ).items():
                yield stem, picture(take.arguments, screen, same, stem)


def film(take: Take, folder: Path, environ: Mapping[str, str]) -> dict[str, Screen]:
    """The command's screens, by the names of their pictures."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    process = subprocess.Popen(
        [SCRIPT, *take.arguments.split()],
        cwd=folder,
        env=dict(environ),
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    screen = pyte.Screen(COLUMNS, LINES)
    stream = pyte.ByteStream(screen)
    found: dict[str, Screen] = {}
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.05)[0]:
            try:
                stream.feed(os.read(ours, 65536))
            except OSError:  # the command has ended
                break
        # Between two drawings, when nothing more comes, the screen is whole.
        elif (
            take.moment
            and take.moment[0] not in found
            and take.moment[1]("\n".join(screen.display))
        ):
            found[take.moment[0]] = _lines(screen)
    process.wait(timeout=10)
    os.close(ours)
    missed = take.moment is not None and take.moment[0] not in found
    if missed:
        raise SystemExit(f"{take.arguments}: the moment was missed; try again")
    return found | {take.end: _lines(screen)}


def picture(arguments: str, screen: Screen, same: Same, stem: str) -> str:
    """The screen as SVG, with the command above it as it was typed."""
    typed = [
        ("$ ", Style(color="green", bold=True)),
        (f"duplicate-batches {arguments}", Style(bold=True)),
    ]
    with Path(os.devnull).open("w") as nowhere:
        console = Console(
            record=True,
            width=COLUMNS,
            file=nowhere,
            highlight=False,
            force_terminal=True,
            color_system="truecolor",
        )
        for line in (typed, *screen, []):
            console.print(
                Text.assemble(*((same.text(text), style) for text, style in line)), soft_wrap=True
            )
        return console.export_svg(
            title="~/waves", theme=THEME, code_format=FORMAT, unique_id=f"terminal-{stem}"
        )


def _lines(screen: pyte.Screen) -> Screen:
    """What the screen shows, without the empty lines at its end."""
    lines = [_line(screen, number) for number in range(LINES)]
    while lines and not "".join(text for text, _ in lines[-1]).strip():
        lines.pop()
    return lines


def _line(screen: pyte.Screen, number: int) -> list[tuple[str, Style]]:
    """One line of the screen as pieces of one style each."""
    pieces: list[tuple[str, Style]] = []
    for column in range(COLUMNS):
        char = screen.buffer[number][column]
        style = _style(char)
        if pieces and pieces[-1][1] == style:
            pieces[-1] = pieces[-1][0] + char.data, style
        else:
            pieces.append((char.data, style))
    return pieces


def _style(char: pyte.screens.Char) -> Style:
    color = {"brown": "yellow", "default": None}.get(char.fg, char.fg)
    if color is not None and re.fullmatch("[0-9a-f]{6}", color):
        color = f"#{color}"
    return Style(color=color, bold=char.bold)


class Same:
    """Replaces what is another every time by what is always the same."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._ids: dict[str, str] = {}

    def text(self, text: str) -> str:
        """The text of a piece, with what differs replaced."""
        text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", self._id, text)
        text = text.replace(self._url, "https://api.prolific.com")
        for pattern, always in ALWAYS:
            text = re.sub(pattern, always, text)
        return text

    def _id(self, match: re.Match[str]) -> str:
        if match[0].startswith(("0192a3b4", "00000000")):
            return match[0]
        return self._ids.setdefault(
            match[0], str(uuid.uuid5(uuid.NAMESPACE_OID, f"copy {len(self._ids)}"))
        )


if __name__ == "__main__":
    main()
