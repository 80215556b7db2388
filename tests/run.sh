#!/usr/bin/env bash
# Runs every test on a fresh Debian machine that has the Rust toolchain. It installs missing packages and ends with one line,
# "N passed, N failed".
#
#   tests/run.sh          everything
#   tests/run.sh --fast   without the browser, the fuzzed routes, third-party clients, the instruction count, and the checks of
#                         dependencies and of deploy/
#
# Tests are never retried, and a missing dependency of a test is a failure, never a skip.
set -euo pipefail
cd "$(dirname "$0")/.."

fast=no
case "${1:-}" in
  "") ;;
  --fast) fast=yes ;;
  *) echo "usage: tests/run.sh [--fast]" >&2; exit 2 ;;
esac

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

say() { printf '\n== %s\n' "$*"; }

# Prints the Debian packages whose program is missing.
needed() {
  command -v cc >/dev/null || echo gcc libc6-dev
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || echo postgresql
  command -v redis-server >/dev/null || echo redis-server
  command -v pgbouncer >/dev/null || [ -x /usr/sbin/pgbouncer ] || echo pgbouncer
  command -v haproxy >/dev/null || [ -x /usr/sbin/haproxy ] || echo haproxy
  command -v curl >/dev/null || echo curl
  [ "$fast" = yes ] && return
  command -v chromium >/dev/null || echo chromium
  command -v node >/dev/null || echo nodejs
  command -v npm >/dev/null || echo npm
  command -v turnserver >/dev/null || echo coturn
  python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
  command -v valgrind >/dev/null || echo valgrind
}

install_packages() {
  local packages
  packages=$(needed | tr '\n' ' ')
  [ -z "${packages// /}" ] && return
  local as_root=()
  if [ "$(id -u)" != 0 ]; then
    command -v sudo >/dev/null || { echo "as root, run: apt-get install -y $packages" >&2; exit 1; }
    as_root=(sudo)
  fi
  say "installing $packages"
  "${as_root[@]}" apt-get update -q
  # The services that Debian starts are not used: tests run private ones on free ports.
  # shellcheck disable=SC2086 # a list of words on purpose
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends $packages
}

# Runs a check that passes or fails as a whole.
check() {
  local what=$1
  shift
  say "$what"
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAILED: $what"
  fi
}

# Runs a command that reports its own tests. Its output also goes to $log, from which the counts are read.
counted() {
  local what=$1 counter=$2
  shift 2
  say "$what"
  local status=0
  "$@" 2>&1 | tee "$log" || status=$?
  local counts ok bad
  counts=$("$counter" <"$log")
  read -r ok bad <<<"$counts"
  passed=$((passed + ok))
  failed=$((failed + bad))
  # A run that fails without a failing test (because it did not compile or was killed) counts as a failure; so does one
  # without any test.
  if { [ "$status" -ne 0 ] && [ "$bad" -eq 0 ]; } || [ $((ok + bad)) -eq 0 ]; then
    failed=$((failed + 1))
    echo "FAILED: $what (exit $status, $ok passed, $bad failed)"
  fi
}

# "test result: ok. 3 passed; 0 failed; …", once per test binary.
count_cargo_test() {
  awk '/^test result: / { for (i = 1; i < NF; i++) { if ($(i+1) == "passed;") p += $i; if ($(i+1) == "failed;") f += $i } }
       END { print p + 0, f + 0 }'
}

# "     Summary [ 12.3s] 40 tests run: 38 passed (1 slow), 1 failed, 1 timed out, 0 skipped".
count_nextest() {
  sed 's/\x1b\[[0-9;]*m//g' | awk '
    / tests? run: / {
      sub(/.* tests? run: /, ""); gsub(/\([^)]*\)/, ""); n = split($0, part, ",")
      for (i = 1; i <= n; i++) {
        split(part[i], word, " ")
        if (word[2] == "passed") p += word[1]; else if (word[2] != "skipped") f += word[1]
      }
    }
    END { print p + 0, f + 0 }'
}

# node --test: "# pass 3", or "ℹ pass 3" in a terminal.
count_node() {
  awk '($1 == "#" || $1 == "ℹ") && $2 == "pass" { p += $3 }
       ($1 == "#" || $1 == "ℹ") && ($2 == "fail" || $2 == "cancelled") { f += $3 }
       END { print p + 0, f + 0 }'
}

# Ends a step that hangs, so that it fails and the rest still runs. The limits are several times what the steps take.
limited() {
  local limit_s=$1
  shift
  local status=0
  timeout --kill-after=10 "$limit_s" "$@" || status=$?
  [ "$status" -ne 124 ] && [ "$status" -ne 137 ] || echo "ended after $limit_s s: $*"
  return "$status"
}

browser_tests() {
  npm ci --no-audit --no-fund --prefix examples/editor && cd tests/browser && npm ci --no-audit --no-fund && limited 900 node --test
}

# Runs tus-js-client and tuspy with an S3 server as file storage, WebRTC peers on two nodes with a TURN server, and the example
# of an encrypted conversation.
client_tests() {
  cd tests/clients && npm ci --no-audit --no-fund &&
    python3 -m venv .venv && .venv/bin/pip install --quiet --disable-pip-version-check -r requirements.txt && limited 900 node --test
}

install_packages

check "formatting" cargo fmt --all -- --check
check "lints" cargo clippy --all-targets -- -D warnings

if cargo nextest --version >/dev/null 2>&1; then
  counted "tests" count_nextest cargo nextest run --no-fail-fast --color never
  check "documentation tests" cargo test --doc
else
  counted "tests" count_cargo_test cargo test --no-fail-fast
fi

if [ "$fast" = no ]; then
  check "the server for the browser and the routes" cargo build --bin convene
  check "the routes match the API document" limited 1200 tests/api/run.sh
  counted "the pages in a real browser" count_node browser_tests
  counted "real clients" count_node client_tests
  check "instructions per delivery" limited 1800 bash benches/callgrind.sh
  check "dependencies and bill of materials" limited 600 bash tests/supply_chain/run.sh
  check "the files of deploy/" limited 900 bash deploy/check.sh --install
fi

say "done"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
