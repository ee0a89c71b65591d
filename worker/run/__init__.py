"""One run of a job: look up its sources, send, settle, finish."""
