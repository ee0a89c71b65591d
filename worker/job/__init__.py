"""Job files → rows → plan: the duplicates that should exist. Nothing here knows the ledger or
HTTP."""
