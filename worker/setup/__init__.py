"""Sets up the batches that were created, and follows them until the API shows READY.

`decisions` says what comes next for one batch; `looking` looks, `requests` sends, and `setting_up`
calls them."""
