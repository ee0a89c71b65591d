"""What the user set, from options, environment, job, config file and defaults; access to the API
beside it.

Importing this package imports nothing: `--help` and `--version` need only the table in `options`.
"""
