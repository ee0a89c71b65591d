"""A stand-in for the API, for rehearsals and tests: a real HTTP server that invents batches and
misbehaves on request.

It shares no code with the client, so that neither can hide a mistake of the other."""
