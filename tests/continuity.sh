#!/usr/bin/env bash
# Runs the continuity checker in its long form: real clients, nodes that are killed and frozen, Redis restarts, cut
# connections, hubs and registries that stall, rooms that panic (the server is built with the feature `faults`).
# Nothing acknowledged may be lost, duplicated or reordered. Prints the seed, the faults and the counts; pass the seed to
# repeat a run.
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

# Uses cargo's own test runner, which has no time limit per test.
export CONTINUITY_SEED=$seed CONTINUITY_NODES=$nodes CONTINUITY_SECONDS=$((minutes * 60))
exec cargo test --features faults --test continuity seeded_run -- --exact --nocapture
