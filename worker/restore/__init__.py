"""Rebuilds a lost database from a ledger file."""
