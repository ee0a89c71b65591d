"""Settling: find out whether requests without an answer created a batch. `presence`, `absence` and
`verdicts` decide and are pure; `settling` waits, lists the workspaces and records the verdicts.

Two principles stand above every rule here. Presence is decided strictly: a batch counts as ours
only if nothing else explains it. Absence is decided more strictly still: an item is sent again only
if no existing batch could be its copy."""
