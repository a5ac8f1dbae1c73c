# SPDX-License-Identifier: Apache-2.0
# The front door. `make help` lists what is behind it; everything about building itself is CMake's (CMakePresets.json).
JOBS ?= $(shell nproc 2>/dev/null || echo 2)
PYTHON ?= /usr/bin/python3
PREFIX ?= /usr/local
DESTDIR ?=
FUZZ_SECONDS ?= 60
BIN = build/release/bin/tieline
export PYTHON JOBS

.PHONY: all build package ui screenshots dev demo demo-order-to-cash test test-peers quick bench lint tidy format fuzz reference install clean help

all: build

build: ## build the program (release): build/release/bin/tieline
	@tools/bootstrap build
	@ui/build || [ $$? = 3 ]
	@tools/build release

ui: ## the web console alone: ui/dist, which the next build puts into the program
	@tools/bootstrap build
	@ui/build --check

screenshots: build ## pictures of each page of the web console for the documentation: docs/images
	@tools/bootstrap peers
	@tools/screenshots

dev: ## build with debug information, warnings as errors, and the tests: build/dev
	@tools/bootstrap test
	@tools/build dev

demo: build ## a thousand orders from a shop to a failing ERP, about a minute and a half
	@if [ -x examples/quickstart/demo ]; then TIELINE_BIN=$(CURDIR)/$(BIN) examples/quickstart/demo; \
	else echo "make demo: examples/quickstart/demo is not there yet" >&2; exit 1; fi

demo-order-to-cash: build ## orders and leads between a shop, NetSuite, Salesforce and Slack, all misbehaving; about a minute; OPTIONS="--orders 5000 --kills 5 --outage 120"
	@TIELINE_BIN=$(CURDIR)/$(BIN) examples/order-to-cash/demo $(OPTIONS)

test: ## everything that needs no other product: sanitizers, end to end, crashes, fuzzers, checkers (about half an hour on two cores)
	@tools/bootstrap test
	@$(PYTHON) tools/run-tests $(STAGES)

quick: ## unit tests and checkers of a plain debug build (a minute)
	@tools/bootstrap test
	@$(PYTHON) tools/run-tests build-dev unit-dev style sizes layers docs

test-peers: ## tests against products and clients of others, fetched from npm and PyPI
	@tools/bootstrap test peers
	@$(PYTHON) tools/run-tests --peers

bench: build ## figures, beside the peers where they are installed
	@tools/bootstrap bench
	@tools/build release benches
	@if [ -x bench/run ]; then TIELINE_BIN=$(CURDIR)/$(BIN) bench/run; \
	else for b in build/release/bin/*_bench; do echo "== $$b"; $$b || exit 1; done; fi

lint: ## the checkers: style, sizes, layers, docs
	@tools/bootstrap test
	@$(PYTHON) tools/run-tests style build-release sizes layers docs

tidy: ## clang-tidy over everything (minutes); findings in build/tidy.txt
	@tools/bootstrap test
	@tools/tidy

format: ## clang-format over everything
	@tools/bootstrap test
	@$(PYTHON) tools/check-style --fix

fuzz: ## each fuzzer for FUZZ_SECONDS (60); keeps what it finds in build/fuzz/corpus
	@tools/bootstrap test
	@tools/build fuzz
	@$(PYTHON) tools/run-fuzzers --seconds $(FUZZ_SECONDS)

reference: build ## write the pages again that are made from the code (docs/generated.txt)
	@$(PYTHON) tools/check-docs --update

package: build ## a Debian package: build/package/tieline_VERSION_ARCH.deb
	@tools/bootstrap build package
	@tools/build release completion
	@rm -rf build/package && cd build/release && umask 022 && cpack >../package.log || { cat ../package.log >&2; exit 1; }
	@rm -rf build/package/_CPack_Packages && ls build/package/*.deb

install: build ## into PREFIX (/usr/local), below DESTDIR if given
	@DESTDIR=$(DESTDIR) cmake --install build/release --prefix $(PREFIX)

clean: ## remove build/
	rm -rf build

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | awk -F '\t' '{ printf "  make %-12s %s\n", $$1, $$2 }'
