"""Whole campaigns in simulated time, each repeated by its seed: the worker's real code against an
API of faults.

`loop` is time, `world` the truth, `weather` what goes wrong, `api` how it is told, `database` where
a crash strikes, `losses` how it is lost, `people` what others do, `jobs` and `scenario` what
happens, `drawing` draws it, `campaign` lets it happen, `oracle` judges it by the truth. `mistakes`
and `guards` are planted into the worker by `planting`."""
