# make demo         build, and open hookscope on a live private firewall; needs no root
# make test         everything the tests need, then the tests (as root for those on the real kernel)
# make build        target/release/hookscope, one static file
# make bench        the table of speed and memory, as ratios against bare dumps and nft in the same run; PARTS="k8s routes" for some
# make fuzz         run every fuzz target for FUZZ_SECONDS
# make screenshots  make the pictures in screenshots/ from the running program

CARGO ?= cargo
FUZZ_SECONDS ?= 600

# One file that runs on any machine of its architecture, wherever the C library is there to be linked in.
IS_STATIC = $(shell echo 'int main(void) { return 0; }' | cc -static-pie -x c -o /dev/null - 2>/dev/null && echo yes)
STATIC = $(if $(IS_STATIC),-C target-feature=+crt-static)
PROGRAM := $(or $(CARGO_TARGET_DIR),target)/release/hookscope

.PHONY: all demo build test bench fuzz screenshots setup setup-test clean

all: build

setup:
	@scripts/setup

setup-test:
	@scripts/setup test

build: setup
	@$(if $(IS_STATIC),:,echo "There is no static C library (Fedora: glibc-static): the program is going to need that of this machine.")
	$(CARGO) rustc --release --bin hookscope -- $(STATIC)

demo: build
	$(PROGRAM) demo

test: setup setup-test
	$(CARGO) test

# cargo bench puts a program of its own in the place of the one that is built.
bench: setup-test build
	cp $(PROGRAM) $(PROGRAM)-built
	HOOKSCOPE_PROGRAM=$(abspath $(PROGRAM)-built) $(CARGO) bench --bench scale -- $(PARTS)
	$(CARGO) bench --bench flow

screenshots: setup
	$(CARGO) build --release
	$(CARGO) run --release --example screenshots

fuzz: setup
	fuzz/run $(FUZZ_SECONDS)

clean:
	$(CARGO) clean
