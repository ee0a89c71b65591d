"""The HTTP edge. `client` sends requests over `connection`, `bodies` and `headers` read the
answers, `outcome` and `verdicts` decide what they mean, `reader` looks things up again if needed.

Nothing here knows jobs or the ledger, and nothing here sends a duplicate request twice."""
