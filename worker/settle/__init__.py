"""Settling: what became of requests whose answer never came. `rules` decides, purely; `settling`
looks and waits.

Two principles stand above every rule here: presence is decided strictly (a batch is taken for ours
only if nothing else explains it), and absence more strictly still (an item is sent again only if
nothing that exists could be its copy)."""
