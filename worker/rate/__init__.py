"""When the next request may leave, and how many may be under way.

`slots` is the ceiling and the pauses, `limit` what is known of a limit that nobody tells, `window`
how many requests at once serve best: pure decisions, from a state and a time to a state. `evidence`
is what the answers say, `pacer` holds the states and makes senders wait. What a reply means is not
decided here. All times are the monotonic clock's seconds, all rates requests a second."""
