"""The HTTP edge: `client` asks, `reply` is what came back, `models` reads bodies, `outcome` decides
what an answer means. Nothing here knows jobs or the ledger's database, and nothing here sends a
request twice."""
