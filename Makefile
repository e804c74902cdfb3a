# The commands of Conversa. `make` alone explains them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c

WEB := gateway/web
TARGET := $(if $(CARGO_TARGET_DIR),$(CARGO_TARGET_DIR),target)
NODE := $(shell command -v node 2>/dev/null)

.PHONY: help run cluster test lint bench pages tools

help:
	@echo "make run      build, start one node with a sample company, print where to look"
	@echo "make cluster  build, start three nodes of the store and three of Conversa on this machine, until Ctrl-C"
	@echo "make test     install what tests need, run all tests"
	@echo "make lint     formatting, clippy, types of the pages"
	@echo "make bench    print the figures of README's tables again (an hour with its build; those of a cluster need a JDK 17 and Maven)"

run: pages
	cargo run --profile quick --locked --package conversa-gateway --bin conversa -- run

# Needs a JDK 17 and Maven, which fetches the store once; 4 GB of memory.
cluster: pages
	cargo build --profile quick --locked --package conversa-gateway --bin conversa --package conversa-tests --bin conversa-lab
	$(TARGET)/quick/conversa-lab $(TARGET)/quick/conversa target/cluster

# The pages are built with Node.js; without it the node serves everything else and says what is missing.
pages:
ifeq ($(NODE),)
	@echo "Node.js is not installed: building without the pages"
else
	@if [ ! -d $(WEB)/node_modules ] || [ $(WEB)/package-lock.json -nt $(WEB)/node_modules ]; then \
	  npm ci --prefix $(WEB) --no-audit --no-fund --loglevel=error && touch $(WEB)/node_modules; fi
	@npm run --silent --prefix $(WEB) build
endif

# What tests need beyond Rust and Node.js: a browser. With a JDK 17 and Maven they also get a CQL server, see tests/cassandra/with.sh.
tools:
	@command -v chromium >/dev/null || command -v google-chrome >/dev/null || { \
	  echo "installing chromium"; \
	  sudo=$$([ "$$(id -u)" = 0 ] || echo sudo); \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq --no-install-recommends chromium >/dev/null; }

test: pages tools
	cargo test --locked --workspace --no-run
	tests/cassandra/with.sh cargo test --locked --workspace
	CONVERSA=$(abspath $(TARGET))/debug/conversa npm test --silent --prefix $(WEB)
	$(WEB)/e2e/run.sh $(TARGET)/debug/conversa

lint: pages
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	npm run --silent --prefix $(WEB) check

bench: pages
	cargo build --release --locked --package conversa-gateway --bin conversa --package conversa-benches --bins
	$(TARGET)/release/bench --conversa $(TARGET)/release/conversa --floor $(TARGET)/release/floor --out target/bench.json
	tests/cassandra/with.sh $(TARGET)/release/cluster --conversa $(TARGET)/release/conversa --out target/cluster-bench.json
