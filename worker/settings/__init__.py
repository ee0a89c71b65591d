"""Settings from options, environment, job, config file and defaults, and access to the API.

Importing this package imports nothing else: `--help` and `--version` need only the table in
`options`."""
