#!/usr/bin/env bash
# The continuity checker in its long form: real clients, nodes that are killed and frozen, Redis restarted, lines cut,
# hubs and registries that stall, rooms that panic (the server is built with the feature `faults`),
# for as long as asked; nothing acknowledged may be lost, doubled or reordered. Prints the seed, the faults and the
# counts; a run is repeated with its seed.
#
#   tests/continuity.sh --minutes 30 --nodes 3 [--seed N]
set -euo pipefail
cd "$(dirname "$0")/.."

usage() { echo "usage: tests/continuity.sh [--minutes N] [--nodes N] [--seed N]" >&2; exit 2; }

minutes=30
nodes=3
seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
while [ $# -gt 0 ]; do
  [[ ${2:-} =~ ^[0-9]+$ ]] || usage
  case $1 in
    --minutes) minutes=$2 ;;
    --nodes) nodes=$2 ;;
    --seed) seed=$2 ;;
    *) usage ;;
  esac
  shift 2
done

# cargo's own runner: it knows no time limit for a test.
export CONTINUITY_SEED=$seed CONTINUITY_NODES=$nodes CONTINUITY_SECONDS=$((minutes * 60))
exec cargo test --features faults --test continuity seeded_run -- --exact --nocapture
