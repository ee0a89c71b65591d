"""Settling: find out whether requests without an answer created a batch.

    windows       when the batch of an attempt can have been created
    fitting       what speaks for and against a batch being an attempt's copy
    presence      which attempts created which batches
    absence       what prevents proving that an attempt created nothing
    verdicts      what one look at the listings decides
    completeness  whether a listing shows every batch of its workspace
    settling      one round: waits, lists the workspaces, records the verdicts

All but the last two are pure.

Two principles stand above every rule here. Presence is decided strictly: a batch counts as ours
only if nothing else explains it. Absence is decided more strictly still: an item is sent again only
if no existing batch could be its copy."""
