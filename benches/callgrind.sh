#!/bin/bash
# The instruction gate: bash benches/callgrind.sh [instructions allowed per delivery]
# Counts user-space instructions per delivery under callgrind and fails above the limit (700). It measures the profile
# `gate`, which has no link-time optimisation and compiles faster. It counted 361 where a `dist` build counted 261.
set -euo pipefail
cd "$(dirname "$0")/.."
limit=${1:-700}

command -v valgrind > /dev/null || { echo "error: valgrind is not installed: run apt-get install valgrind" >&2; exit 1; }
ulimit -n 65536 2> /dev/null || ulimit -n "$(ulimit -H -n)"

# Absolute, because the server is started in another folder.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
folder=$target/callgrind
mkdir -p "$folder"
# Valgrind replaces only the system allocator, hence no mimalloc. Only the server is optimised: the generator's instructions
# are not counted, and an optimised build with all test dependencies would take longer than the rest.
cargo build --quiet --profile gate --no-default-features --bin convene
cp "$target/gate/convene" "$folder/convene"
load=$(cargo test --quiet --bench load --no-run --message-format json |
    sed -n 's/.*"name":"load".*"executable":"\([^"]*\)".*/\1/p' | tail -n 1)

"$load" instructions --binary "$folder/convene" --limit "$limit" --profile "$folder/callgrind.out" && result=0 || result=$?
callgrind_annotate "$folder/callgrind.out" 2> /dev/null | sed -n '/file:function/,$p' | head -n 30 || true
exit "$result"
