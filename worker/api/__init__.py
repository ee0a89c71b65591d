"""The HTTP edge: `client` asks, `outcome` decides what an answer means, `reader` looks things up.

Nothing here knows jobs or the ledger, and nothing here sends a request twice."""
