"""The bounds of what a run sends ahead of its records: the same for duplicates and for setups."""

UNRECORDED_PER_SENDER = 20
"""For each request that may be under way, at most this many intents are not recorded as ended. They
may be unknown after a crash."""

UNSETTLED_PER_SENDER = 4
"""Sending pauses at this many unknown outcomes for each request that may be under way
(docs/settling.md, rule 8)."""

PATIENCE_S = 5.0
"""An intent that cannot leave within this many seconds is taken back, so that a crash during a long
pause leaves nothing unknown."""
