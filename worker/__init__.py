"""Clone Prolific Task Builder batches in bulk. Create every requested duplicate exactly once.

Data flows in this order: job file → rows → plan → ledger → pace → send → outcome → ledger → ledger
file. docs/architecture.md describes the folders."""

__version__ = "0.4.0"
