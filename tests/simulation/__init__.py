"""Whole campaigns in simulated time, each repeated by its seed: the worker's real code against an API of faults.

`loop` is time, `world` the truth, `weather` what goes wrong, `api` how it is told, `database` where a crash strikes,
`jobs` and `scenario` what happens, `campaign` lets it happen, `oracle` judges it by the truth.
"""
