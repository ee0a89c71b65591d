"""Checks the set-up the way a nightly run would use it: what is fine, and what is not with its fix.

`local` looks at this machine, `remote` at the API. Nothing is created or changed."""
