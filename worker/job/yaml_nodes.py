"""YAML text → nodes: syntax, depth, tags and aliases. `yaml_file` knows what a job may contain.

This module reads PyYAML's events and keeps no node. PyYAML's own `compose` keeps all nodes: 370 MiB
for 100,000 rows, and it takes longer than reading the whole job takes here. It also reports only
the first syntax error, loses the line of an alias, and crashes in deep nesting."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import yaml

from worker.job.text_file import broken_text
from worker.text import quoted

MAX_DEPTH: Final = 16
QUOTES: Final = 'text that begins with "{" or contains ": " or " #" needs quotes'

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_TEXT_TAGS: Final = ("!", *(_TAG + kind for kind in ("str", "int", "bool", "null")))
_NULLS: Final = ("", "~", "null", "Null", "NULL")
_NOT_YAML: Final = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
_TAB: Final = re.compile(r"\s*\t")  # a tab that indents a line
_DROPPED: Final = re.compile(r"[ \t]+#(?=\S)")  # people write comments as "# a note"


class NotReadableError(Exception):
    """The rest of the text cannot be read. The arguments are those of a `Problem`."""


@dataclass(slots=True)
class Node:
    """A node that begins in `line`. `items` are those of a list, or alternating keys and values of
    a mapping. Iterating reads them, once and only before the next node."""

    line: int
    kind: Literal["nothing", "text", "a list", "a mapping", "an alias"]
    text: str = ""  # as it was written (`007`, `no`), without surrounding spaces
    items: Iterable[Node] = ()
    wrong_tag: str = ""  # what is wrong with its tag
    alias: str = ""  # if it is an alias: the problem where text is not allowed
    comment: int = 0  # line of a comment that may belong to the text: `name: Wave #1`

    def __str__(self) -> str:
        return f"text, {quoted(self.text)}" if self.kind == "text" else self.kind


def read_nodes(text: str, encoding: str) -> Iterator[Node]:
    """The root of the document in `text`, as the only node; then checks that nothing follows.

    Raises `NotReadableError`, also while you iterate over a node's items."""
    if wrong := _NOT_YAML.search(text):  # the parser would not name the line
        start = text.rfind("\n", 0, wrong.start()) + 1
        what = broken_text(text[start : wrong.end()], encoding) or (
            f"U+{ord(wrong[0]):04X} (character {wrong.end() - start} of the line) is not allowed in"
            ' YAML; write it in double quotes with a backslash: "\\u…"'
        )
        raise NotReadableError(text.count("\n", 0, start) + 1, what)
    events = _events(text)
    next(events)  # the stream's start
    if isinstance(next(events), yaml.StreamEndEvent):
        yield Node(0, "nothing")
        return
    yield from _nodes(text, events, {}, 0)
    if isinstance(event := next(events), yaml.DocumentStartEvent):
        what = 'a second document ("---") begins here; write a job as one document'
        raise NotReadableError(_line(event), what)


def _events(text: str) -> Iterator[Any]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except yaml.YAMLError as error:
        raise NotReadableError(*_explain(error, text)) from None


def _nodes(
    text: str, events: Iterator[Any], anchors: dict[str | None, Node | None], depth: int
) -> Iterator[Node]:
    """The nodes up to the end of the document, list or mapping whose start event was read last."""
    for event in events:
        line = _line(event)
        if isinstance(event, yaml.ScalarEvent):
            anchors[event.anchor] = node = _scalar(event, line, text)
        elif isinstance(event, (yaml.CollectionEndEvent, yaml.DocumentEndEvent)):
            return
        elif isinstance(event, yaml.AliasEvent):
            node = _aliased(event.anchor, line, anchors)
        elif depth == MAX_DEPTH:
            what = f"nested deeper than {MAX_DEPTH} levels; a job needs at most 3"
            raise NotReadableError(line, what)
        else:
            items = _nodes(text, events, anchors, depth + 1)
            is_list = isinstance(event, yaml.SequenceStartEvent)
            node = Node(line, "a list" if is_list else "a mapping", items=items)
            node.wrong_tag = _wrong_tag(event.tag, ("!",))
            anchors[event.anchor] = None
        yield node
        deque(node.items, 0)  # skip what the caller did not read


def _scalar(event: Any, line: int, text: str) -> Node:
    may_be_null = event.implicit[0] if event.tag is None else event.tag == _TAG + "null"
    node = Node(line, "nothing" if may_be_null and event.value in _NULLS else "text")
    if node.kind == "text":
        node.text = event.value.strip()
    node.wrong_tag = _wrong_tag(event.tag, _TEXT_TAGS)
    if not event.style and _DROPPED.match(text, event.end_mark.index):
        node.comment = event.end_mark.line + 1
    return node


def _aliased(name: str | None, line: int, anchors: dict[str | None, Node | None]) -> Node:
    """The text that an alias repeats. Lists and mappings are not repeated, because they could grow
    without limit."""
    why = f'the alias "*{name}" is not allowed here; put shared values under "defaults:"'
    if meant := anchors.get(name):
        return replace(meant, line=line, kind="text", alias=why, comment=0)
    if name not in anchors:
        why = f'there is no "&{name}" above; text that begins with "*" needs quotes'
    return Node(line, "an alias", alias=why)


def _line(event: Any) -> int:
    return int(event.start_mark.line) + 1


def _wrong_tag(tag: str | None, allowed: tuple[str, ...]) -> str:
    if tag is None or tag in allowed:
        return ""
    return f"the tag {quoted(tag.replace(_TAG, '!!', 1))} is not supported; leave it out"


def _explain(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line and text of a syntax error."""
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 0, f"this is not YAML: {quoted(str(error), 200)}"
    at_end = "end of stream" in (error.problem or "")
    # A quote is missing where it was opened, not where the file ends.
    mark: Any = (error.context_mark if at_end else None) or error.problem_mark
    said = ", ".join(part for part in (error.context, error.problem) if part)
    (written,) = text.split("\n", mark.line + 1)[mark.line : mark.line + 1] or [""]
    hint = "YAML is indented with spaces, not tabs" if _TAB.match(written) else QUOTES
    return mark.line + 1, f"this is not YAML: {said}; {hint}"
