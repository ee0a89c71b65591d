"""Job files → rows → plan: what should exist. Nothing here knows the ledger or HTTP."""
