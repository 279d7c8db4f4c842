# The project's commands. Everything lives in .venv; nothing is installed into the system, except that
# `make test` lets tests/peers.sh install Debian packages where it runs as root.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.complete

.PHONY: setup run demo test lint bench interop-table clean

setup: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[pictures,dev]'
	touch $(STAMP)

run: setup .gateway-token  ## serve config/local.yaml: SIP on 5060, REST, health and metrics on 127.0.0.1:8080
	@echo 'To dial from another shell: export GATEWAY_TOKEN=$$(cat .gateway-token); $(BIN)/gateway call sip:USER@ADDRESS --follow'
	@GATEWAY_TOKEN="$${GATEWAY_TOKEN:-$$(cat .gateway-token)}" $(BIN)/gateway serve --config config/local.yaml

.gateway-token:       # a random key of this checkout for the REST API, readable by its owner only
	@(umask 077; $(PYTHON) -c 'import secrets; print(secrets.token_hex(24))' > $@)

demo: setup           ## a whole conversation on loopback, heard in demo-out/*.wav
	$(BIN)/gateway demo --out demo-out

# First what only computes, then what talks over real sockets and mostly waits, last what measures time or load.
test: setup           ## install the peers where possible, then run every test
	tests/peers.sh
	$(BIN)/pytest -n 2 --dist worksteal tests/unit tests/house tests/sim tests/differential
	$(BIN)/pytest -n 4 --dist worksteal -m 'not alone' tests/edge tests/carrier tests/interop
	$(BIN)/pytest -m alone tests/edge tests/interop

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: setup          ## the gateway under load beside its baselines
	$(BIN)/gateway bench load --calls 50 --seconds 30 --json bench-out/load.json

interop-table: setup   ## try every peer and write the results into docs/interop.md
	tests/peers.sh
	$(BIN)/pytest -n 4 --dist worksteal -m 'not alone' tests/interop --interop-table docs/interop.md

clean:
	rm -rf .venv .venv-pipecat .venv-pyvoip .venv-oracles demo-out bench-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
