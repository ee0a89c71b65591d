"""Measurements that people can repeat. Each module is a program: `python -m benchmarks.memory`."""
