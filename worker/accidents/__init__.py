"""Accidents that would create everything a second time: a renamed job, a moved or missing ledger.

`rules` decides, `facts` reads what the decision needs, and `message` says what was found and how to
continue."""
