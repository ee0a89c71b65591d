"""When the next request may leave, and how many may be under way.

`slots` is the ceiling, the pauses and the push-backs, `window` how many requests at once serve best: pure decisions,
from a state and a time to a state. `pacer` holds the states and makes senders wait.
What a reply means is not decided here. All times are the monotonic clock's seconds, all rates requests a second.
"""
