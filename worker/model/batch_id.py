"""The format of a batch id."""

from __future__ import annotations

import re

BATCH_ID = re.compile(r"[0-9A-Fa-f]{8}-(?:[0-9A-Fa-f]{4}-){3}[0-9A-Fa-f]{12}")
"""A UUID with dashes. The worker writes it in lower case."""
