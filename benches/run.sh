#!/bin/bash
# Builds and runs the load generator: bash benches/run.sh sparse --reps 3
# Without arguments it lists the scenarios.
set -euo pipefail
cd "$(dirname "$0")/.."

for command in cargo taskset node npm; do
    command -v "$command" > /dev/null || {
        echo "error: $command is not installed (Debian: apt-get install util-linux nodejs npm; Rust: https://rustup.rs)" >&2
        exit 1
    }
done
for baseline in ws/node_modules/ws colyseus/node_modules/@colyseus/core; do
    [ -d "benches/baselines/$baseline" ] || npm ci --silent --no-audit --no-fund --prefix "benches/baselines/${baseline%%/*}"
done
ulimit -n 65536 2> /dev/null || ulimit -n "$(ulimit -H -n)"

if [ $# -eq 0 ]; then set -- --help; fi
exec cargo bench --quiet --profile dist --bench load -- "$@"
