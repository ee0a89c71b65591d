"""Accidents of people that would create everything again: a renamed job, a moved or missing ledger.

`rules` decides, `facts` reads what the decision needs, `message` says what was found and how to
continue."""
