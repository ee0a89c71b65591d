"""Whole campaigns in simulated time, each repeated by its seed: the worker's real code against an
API of faults.

`loop` is time, `world` the truth, `weather` what goes wrong, `api` how it is told, `database` where
a crash strikes, `losses` how it is lost, `people` what others do, `jobs` and `scenario` what
happens, `drawing` draws it, `campaign` lets it happen, `oracle` judges it by the truth. `shared`
lets it happen on two `machines` whose ledger is on a `server`. `mistakes`, `guards` and those of
setups and of the seat are planted into the worker by `planting`."""
