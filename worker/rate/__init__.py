"""When the next request may be sent, and how many may be under way.

`slots` spaces requests and keeps pauses, `window` bounds the number under way, `evidence` sums up
answers, `limit` infers an undocumented rate limit from them: pure functions. `pacer` holds their
states and makes senders wait. Times are in seconds of the monotonic clock, rates in requests a
second."""
