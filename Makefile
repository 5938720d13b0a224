# make demo         build, and open hookscope on a live private firewall; needs no root
# make test         everything the tests need, then the tests (as root for those on the real kernel)
# make bench        the table of speed and memory, as ratios against bare dumps and nft in the same run
# make fuzz         run every fuzz target for FUZZ_SECONDS
# make screenshots  make the pictures in screenshots/ from the running program

CARGO ?= cargo
FUZZ_SECONDS ?= 600

.PHONY: all demo build test bench fuzz screenshots setup setup-test clean

all: build

setup:
	@scripts/setup

setup-test:
	@scripts/setup test

build: setup
	$(CARGO) build --release

demo: setup
	$(CARGO) run --release --quiet -- demo

test: setup setup-test
	$(CARGO) test

bench: setup setup-test
	$(CARGO) bench --bench scale
	$(CARGO) bench --bench flow

screenshots: setup
	$(CARGO) build --release
	$(CARGO) run --release --example screenshots

fuzz: setup
	fuzz/run $(FUZZ_SECONDS)

clean:
	$(CARGO) clean
