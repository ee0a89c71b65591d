# make demo    the main job on the examples of jobs/, and one with lost answers, against the sandbox over real HTTP
# make test    the tests; each kind of fault is among them
# Both set up what they need in .venv first; Python 3.11 or later, make and git are all they ask for.

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11 python; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Tests run side by side, two for each processor, because many of them wait. A file's tests share what they set up, so
# they stay together; those that take longest come first (tests/conftest.py).
JOBS ?= $(shell $(PYTHON) -c 'import os; print(2 * (os.cpu_count() or 1))')
# A rehearsal leaves its ledgers beside the jobs.
DEMO_JOBS := $(notdir $(wildcard jobs/*.csv jobs/*.tsv jobs/*.yaml jobs/*.yml))

.PHONY: demo test prove mutants lowest wheel coverage simulate search torture torture-shared wires lint types format plots memory bench bench-ceiling bench-pace bench-report bench-scale bench-settling bench-shared bench-speed bench-year bench-tools bench-workbook screenshots clean

.venv/installed: pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo 'make: Python 3.11 or later is needed, and none was found' >&2; exit 1; }
	@echo 'Setting up .venv …'
	@$(PYTHON) -m venv --clear .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

# At last a sandbox of its own loses requests and answers: the run finds out which, and creates each duplicate once.
demo: .venv/installed
	@rm -rf demo && mkdir demo && cp $(addprefix jobs/,$(DEMO_JOBS)) demo/
	@cd demo && for job in $(DEMO_JOBS); do \
		echo; echo "== duplicate-batches run $$job --sandbox"; \
		"$(abspath $(BIN))/duplicate-batches" run $$job --sandbox --yes --log-format console --log-file run.log || exit 1; done
	@cd demo && for job in $(DEMO_JOBS); do \
		echo; echo "== the ledger of $$job:"; \
		"$(abspath $(BIN))/duplicate-batches" ledger $$job --sandbox --format table && \
		"$(abspath $(BIN))/duplicate-batches" ledger $$job --sandbox || exit 1; done
	@cd demo && PATH="$(abspath $(BIN)):$$PATH" && \
	printf 'batch_id,name,copies\n01927060-31bb-7fcb-a685-3c81c7648e7e,Wave {n:02},12\n' > lost.csv && \
	touch sandbox.txt && \
	{ duplicate-batches sandbox --port 0 --faults drop-answer=0.2,drop-request=0.2 --seed 2 > sandbox.txt & } && \
	server=$$! && trap "kill $$server; wait $$server || :" EXIT && trap "exit 130" INT TERM && \
	until grep -q '^export PROLIFIC_TOKEN=' sandbox.txt; do kill -0 $$server || exit 1; sleep 0.1; done && \
	eval "$$(grep '^export ' sandbox.txt)" && export NO_PROXY=127.0.0.1 no_proxy=127.0.0.1 && \
	echo && echo '== duplicate-batches run lost.csv, at a sandbox that loses requests and answers' && \
	duplicate-batches run lost.csv --database lost.db --ledger lost-ledger.csv --yes --settle-after 1 --report \
		--log-format console --log-file lost.log && \
	echo && echo '== the ledger of lost.csv: settled_by says how each one is known' && \
	duplicate-batches ledger lost.csv --database lost.db --format csv | cut -d , -f 3,6,7,10,11

test: .venv/installed
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --no-loadscope-reorder

# The proofs by mass: a thousand campaigns, fifty kills, every planted mistake, every byte of a request.
prove: .venv/installed
	@EVERY_BYTE=1 $(BIN)/python -m pytest -n logical --dist worksteal -m 'prove or every_byte'

# Changes the pure rules in small ways, and lists the changes that no test notices; takes about twenty minutes
# on two processors.
.venv/mutants: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[mutants]'
	@touch $@

mutants: .venv/mutants
	@$(BIN)/python -m tests.mutants

# The lowest versions of the dependencies that pyproject.toml allows, in an environment of their own.
.venv/lowest/installed: pyproject.toml constraints-lowest.txt | .venv/installed
	@echo 'Setting up .venv/lowest …'
	@$(PYTHON) -m venv --clear .venv/lowest
	@.venv/lowest/bin/python -m pip install --quiet --disable-pip-version-check -c constraints-lowest.txt -e '.[postgresql]' \
		hypothesis openpyxl psutil pyte pytest pytest-asyncio pytest-xdist trustme
	@touch $@

lowest: .venv/lowest/installed
	@.venv/lowest/bin/python -m pytest -n logical --dist loadscope \
		$(addprefix tests/,api job settings ledger export/test_workbook.py cli/test_ask.py cli/test_completion.py)

# The wheel, built twice from the same commit: the two must be equal.
WHEELS ?= dist
wheel: .venv/installed
	@rm -rf build/wheels && for number in 1 2; do \
		SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m pip wheel --quiet --disable-pip-version-check \
			--no-deps --wheel-dir build/wheels/$$number . || exit 1; rm -rf build/lib build/bdist.*; done
	@cmp build/wheels/1/*.whl build/wheels/2/*.whl
	@mkdir -p $(WHEELS) && mv build/wheels/1/*.whl $(WHEELS)/ && rm -r build/wheels && ls $(WHEELS)/*.whl

# How much of the heart its own tests and the simulation reach, by branches; it must not fall. (What the tests of the
# whole command reach is not counted: they run it as a process of its own.)
coverage: .venv/installed
	@$(BIN)/python -m pytest -n $(JOBS) --dist loadscope --cov --cov-report=term \
		$(addprefix tests/,settle setup run rate ledger restore accidents simulation)

# 10,000 whole campaigns (or CAMPAIGNS=…) with faults and crashes in simulated time; takes some minutes.
CAMPAIGNS ?= 10000
simulate: .venv/installed
	@$(BIN)/python -m tests.simulation --campaigns $(CAMPAIGNS) --jobs 2

# The same from fresh seeds for HOURS=8; what fails is made smaller and kept in the folder `failures`.
HOURS ?= 8
search: .venv/installed
	@$(BIN)/python -m tests.simulation.search --hours $(HOURS) --jobs 2

# 1,000 kills of the real command at random moments, over real HTTP; takes some minutes.
torture: .venv/installed
	@$(BIN)/python -m tests.torture --kills 1000 --jobs 2

# Two machines with a ledger on PostgreSQL: workers and servers killed, connections cut, machines stopped, both started
# at once; takes an hour or two.
torture-shared: .venv/installed
	@for kind in 'kill 500' 'server 50' 'network 100' 'stop 100' 'double 100'; do set -- $$kind; \
		echo; echo "== $$1"; $(BIN)/python -m tests.torture --shared $$1 --kills $$2 --jobs 2 || exit 1; done

# Connections cut, reset or silent after every byte of a request and its answer; takes some minutes.
wires: .venv/installed
	@EVERY_BYTE=1 $(BIN)/python -m pytest -n logical --dist worksteal -m every_byte

lint: .venv/installed
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports --no-cache

types: .venv/installed
	@$(BIN)/mypy

format: .venv/installed
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

# The plots of docs/pace.md, in simulated time.
plots: .venv/installed
	@$(BIN)/python -m benchmarks.pace --plots docs/pace

# What of limits that nobody tells is used, and what is rejected, in simulated time; takes some minutes.
bench-pace: .venv/installed
	@$(BIN)/python -m benchmarks.pace

# Peak memory of big jobs and start-up times, over real HTTP; takes some minutes.
memory: .venv/installed
	@$(BIN)/python -m benchmarks.memory

# Settling 10,000 unknown items in a workspace of 100,000 batches, over real HTTP; takes some minutes.
bench-settling: .venv/installed
	@$(BIN)/python -m benchmarks.settling

# What the benchmarks compare with, besides what the system has.
.venv/bench: .venv/installed
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[bench]'
	@touch $@

# What is measured beside nginx, which must be installed, and in simulated time; takes more than half an hour.
bench:
	@for part in bench-tools bench-ceiling bench-pace bench-scale memory; do \
		echo; echo "== make $$part"; $(MAKE) --no-print-directory $$part || exit 1; done

# The worker beside other tools, against nginx; takes about six minutes.
bench-tools: .venv/bench
	@$(BIN)/python -m benchmarks.tools

# Whether a ceiling is used and never passed, against nginx's limit; takes about five minutes.
bench-ceiling: .venv/installed
	@$(BIN)/python -m benchmarks.ceiling

# A job of a million items and a thousand campaigns in one database, against nginx; takes a quarter of an hour.
bench-scale: .venv/installed
	@$(BIN)/python -m benchmarks.scale

# The worker beside a plain aiohttp script alone, against nginx; takes some minutes.
bench-speed: .venv/installed
	@$(BIN)/python -m benchmarks.tools --alone --rounds 5

# The ledger on PostgreSQL beside SQLite, and several schemas at the same time; takes a quarter of an hour.
bench-shared: .venv/installed
	@$(BIN)/python -m benchmarks.shared

# Ledger files of 100,000 rows, written and read; takes some minutes.
bench-workbook: .venv/installed
	@$(BIN)/python -m benchmarks.workbook

# Start, memory and time of the last night of a year beside the second, against nginx; takes some minutes.
bench-year: .venv/installed
	@$(BIN)/python -m benchmarks.year

# The HTML report of up to a million items: written, and opened in the system's Chromium; takes a minute or two.
bench-report: .venv/installed
	@$(BIN)/python -m benchmarks.report

# The pictures of docs/images; those of the report need Chromium.
screenshots: .venv/installed
	@$(BIN)/python -m tests.screenshots.terminal
	@$(BIN)/python -m tests.screenshots.report

clean:
	rm -rf .venv mutants demo build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage
