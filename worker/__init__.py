"""Clone Prolific AI Task Builder batches in bulk, each wanted duplicate once.

The way of the data: job file → rows → plan → ledger → pace → send → outcome → ledger → ledger file.
`job` reads what is wanted, `ledger` remembers what exists, `prolific` is the HTTP edge, `campaign`
runs the night, `observe` tells people about it, `cli` wires these together, `sandbox` stands in for
the API."""

__version__ = "0.4.0"
