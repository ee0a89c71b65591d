"""The bounds of what a run sends ahead of its records: the same for duplicates and for setups."""

DEFAULT_TIMEOUT_S = 60.0
"""Seconds that one request may take if nobody says otherwise. A run whose database was lost may
have had this time limit, also if the runs after it have a shorter one."""

UNRECORDED_PER_SENDER = 20
"""For each request that may be under way, at most this many intents are not recorded as ended. They
may be unknown after a crash."""

UNSETTLED_PER_SENDER = 4
"""Sending pauses at this many unknown outcomes for each request that may be under way
(docs/settling.md, rule 8)."""

LONGEST_SLOT_WAIT_S = 5.0
"""Seconds that an intent waits for its slot at most. If the pause is longer, the intent is taken
back, so that a crash during the pause leaves nothing unknown."""

INTENT_EXPIRES_AFTER_S = 10.0
"""Seconds after it was claimed in which an intent may leave, even if the process was stopped or the
machine slept meanwhile; after that it is taken back. So a request whose answer was never recorded
left at most this long after its intent was recorded. This is so also if no ledger is shared."""
