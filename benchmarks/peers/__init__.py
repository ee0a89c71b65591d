"""What the worker is compared with: scripts as people write them for such a job, each a program of
its own."""
