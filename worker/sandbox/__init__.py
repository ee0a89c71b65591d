"""A stand-in for the API, for rehearsals and tests: a real HTTP server that makes batches up and
misbehaves on wish.

It is the other side of the wire, so it shares no code with the client: what one gets wrong the
other must not hide."""
