# make demo   a real cluster on this machine, and the forum on it
# make check  what needs neither root nor a cluster: format, lints, unit and property tests, docs
# make test   everything, on a real cluster
# make bench  what a deploy costs, beside kubectl and Helm, on a control plane with fake nodes
# make down   removes the cluster again
.PHONY: demo check test soak bench down tools build-program build-sandbox property-tests simulation-tests \
  python-tests sandbox-tests postgres-tests forum-tests fault-tests ownership-tests truth-tests conformance-tests

MAKEFLAGS += --no-print-directory
SHELL   := /bin/bash
SANDBOX := sandbox/sandbox
CARGO   := cargo
# the same everywhere, so that nothing is built twice; the feature only lets the tests on the cluster be built
FLAGS   := --locked --features sandbox
PYTHON  := /usr/bin/python3
FORUM   := curl --fail --silent --show-error --max-time 10 --retry 10 --retry-delay 1 --retry-all-errors \
             --header "Host: wesago.k3s" http://127.0.0.1

tools:
	@command -v $(CARGO) >/dev/null || { echo "cargo is missing: install Rust 1.89 or newer with rustup" >&2; exit 1; }

demo: tools
	$(MAKE) --jobs 2 build-program build-sandbox
	$(SANDBOX) up
	target/debug/wesago deploy --context sandbox --yes
	@set -e; style=$$($(FORUM)/ | grep --only-matching '/static/[^"]*\.css' | head -n 1); \
	  $(FORUM)$$style >/dev/null; \
	  echo "through Traefik: the front page, and its style sheet $$style"

check: tools
	$(CARGO) fmt --check
	$(CARGO) clippy $(FLAGS) --all-targets -- -D warnings
	$(CARGO) test $(FLAGS) --lib --bins --test architecture --test cli --test simulation -- --skip conformance::real
	@if command -v cargo-deny >/dev/null; then $(CARGO) deny --offline check bans licenses sources; \
	  else echo "cargo-deny is not installed: licences and bans were not checked"; fi
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(FLAGS) --no-deps --document-private-items

# two at once where one computes and the other mostly waits; never two on one cluster
test: tools
	$(MAKE) --jobs 2 check build-sandbox
	$(MAKE) --jobs 2 sandbox-tests simulation-tests property-tests python-tests
	$(MAKE) --jobs 1 postgres-tests forum-tests fault-tests ownership-tests truth-tests conformance-tests down

build-program:
	$(CARGO) build $(FLAGS)

build-sandbox:
	$(SANDBOX) build

python-tests:
	sandbox/tests/run unit
	$(PYTHON) -m unittest discover -s images/website/tests
	$(PYTHON) -m unittest discover -s images/wesago/tests

# real clusters started, killed, healed and taken down on this machine; ends a cluster that is up
sandbox-tests: build-sandbox
	$(SANDBOX) down
	sandbox/tests/run real

# the members' init scripts with PostgreSQL's own programs; Debian's package is not to start a server here
postgres-tests:
	@[ -x /usr/lib/postgresql/15/bin/initdb ] || { mkdir -p /etc/postgresql-common \
	  && echo "create_main_cluster = false" > /etc/postgresql-common/createcluster.conf \
	  && DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends postgresql-15; }
	tests/manifests/postgres-init.sh

# the rules, the diagnosis and the outcome table on 10,000 arbitrary objects and answers each
property-tests:
	PROPTEST_CASES=10000 $(CARGO) test $(FLAGS) --lib properties

# 2,000 stories under faults, each held against every promise; `check` lives through 60
simulation-tests:
	WESAGO_SIM_SEEDS=2000 $(CARGO) test $(FLAGS) --test simulation stories -- --nocapture

# 100,000 stories on all cores; WESAGO_SIM_FIRST tells where they begin
soak:
	WESAGO_SIM_SEEDS=100000 $(CARGO) test $(FLAGS) --test simulation every_promise -- --nocapture

# the whole forum; removes what `make demo` deployed
forum-tests:
	$(SANDBOX) up
	$(CARGO) test $(FLAGS) --test forum -- --nocapture

# deploys that are killed, stopped, met by another one, cut off from the API server and from etcd
fault-tests:
	$(SANDBOX) up
	$(CARGO) test $(FLAGS) --test faults -- --nocapture

# what a plan owns: its history, what a rollback brings back, and what a teardown leaves
ownership-tests:
	$(SANDBOX) up
	$(CARGO) test $(FLAGS) --test ownership -- --test-threads 4

# every way to fail, told within seconds; every way to recover, without a false alarm; leaves three nodes
truth-tests:
	$(SANDBOX) up
	$(CARGO) test $(FLAGS) --test truth -- --skip nodes::
	$(SANDBOX) up --nodes 3
	$(CARGO) test $(FLAGS) --test truth nodes::

# the simulated API server held to the real one
conformance-tests:
	# an API server that has just started knows no older state: what "too old" looks like can be asked
	$(SANDBOX) up
	$(SANDBOX) restart apiserver
	$(SANDBOX) up
	$(CARGO) test $(FLAGS) --test simulation conformance::real

bench: tools
	$(CARGO) build --locked --release
	benches/bench

down:
	$(SANDBOX) down
