"""Parses the answer to a listing while it arrives, so that 100,000 batches need little memory. It
asks for nothing."""

from __future__ import annotations

import ijson

from worker.api.bodies import read_batch, read_count
from worker.api.errors import TooLargeError
from worker.api.nesting import Nesting
from worker.model.batch import listed
from worker.model.replies import Page
from worker.text import verb

MOST_LEVELS = 5_000
"""Levels of nesting that are read. ijson keeps the path of each open level, so its memory grows
with the square: 5,000 levels take 50 MB, 100,000 would take 25 GB."""


class ListingParser:
    """Collects the batches of one listing in pages, with the ids seen and the count."""

    def __init__(self, workspace_id: str) -> None:
        self.page: Page = []
        self.ids: set[int] = set()
        self._workspace_id = workspace_id
        self._odd = 0
        self._nesting = Nesting()
        self._items = ijson.sendable_list()
        self._counts = ijson.sendable_list()
        self._parsers = (
            ijson.items_coro(self._items, "results.item", use_float=True),
            ijson.items_coro(self._counts, "meta.count", use_float=True),
        )

    @property
    def meta_count(self) -> int | None:
        """How many batches there are according to the answer; None if it does not say."""
        return read_count(self._counts[-1]) if self._counts else None

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes. Raises ijson.JSONError if they are not JSON, and TooLargeError if
        they are nested too deeply; the batches before that count."""
        if self._nesting.exceeds(MOST_LEVELS, chunk):
            raise TooLargeError(f"the answer is nested more than {MOST_LEVELS:,} levels deep")
        try:
            for parser in self._parsers:
                parser.send(chunk)
        except UnicodeDecodeError as error:  # half a surrogate pair, which ijson lets through
            raise ijson.JSONError(str(error)) from error
        finally:
            self._take_items()

    def _take_items(self) -> None:
        for item in self._items:
            batch = read_batch(item)
            if batch is None:
                self._odd += 1
                continue
            self.ids.add(int(batch.id.replace("-", ""), 16))
            self.page.append(listed(batch, self._workspace_id))
        del self._items[:]

    def close(self) -> None:
        """End the answer. Raises ijson.JSONError if the JSON is not complete."""
        for parser in self._parsers:
            parser.close()

    def turn_page(self) -> Page:
        """The batches since the last page."""
        page, self.page = self.page, []
        return page

    def problem(self) -> str | None:
        """Why this listing is not complete; None if it is."""
        if self._odd:
            return f"{self._odd} of its entries {verb(self._odd, 'has', 'have')} no batch id"
        if self.meta_count is None:
            return "it does not say how many batches there are"
        if self.meta_count != len(self.ids):
            shown, count = len(self.ids), self.meta_count
            shows = f"it shows {shown} {verb(shown, 'batch', 'batches')}"
            return f"{shows} and says that there {verb(count, 'is', 'are')} {count}"
        return None
