"""Whole campaigns in simulated time: the worker's real code against a simulated API with faults. A
seed repeats a campaign exactly.

`loop` has the time, `world` what really exists at the API, `weather` the faults, `api` the answers,
`database` crashes, `losses` lost databases, `people` what other people do. `jobs` and `scenario`
describe a campaign, `drawing` draws one from a seed, `campaign` runs it, and `oracle` compares the
ledger with what really exists. `shared` runs campaigns on two `machines` whose ledger is on a
`server`. `mistakes`, `guards`, `setup_mistakes` and `shared_mistakes` have the bugs that `planting`
puts into the worker: the simulation must detect each one."""
