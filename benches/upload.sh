#!/usr/bin/env bash
# Measures the throughput of one upload over loopback to the disk, compared with `dd` on the same disk in the same run, and the
# memory that the server needs for it. Needs curl and a `dist` build: cargo build --profile dist --bin convene
#
#   benches/upload.sh [MiB] [runs]     by default 1,024 MiB and 3 runs
#
# The source is in memory (/dev/shm), so that only writing counts. Both sides sync the disk before they finish.
set -euo pipefail
cd "$(dirname "$0")/.."

mib=${1:-1024}
runs=${2:-3}
binary=${CONVENE_BIN:-target/dist/convene}
[ -x "$binary" ] || { echo "There is no $binary; run: cargo build --profile dist --bin convene" >&2; exit 1; }

folder=$(mktemp -d "${UPLOAD_BENCH_DIR:-${TMPDIR:-/tmp}}/convene-upload-XXXXXX")
source=/dev/shm/convene-upload-$$
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$folder" "$source"
}
trap cleanup EXIT

head -c "$((mib * 1024 * 1024))" /dev/urandom >"$source"
env -i PATH="$PATH" DATA_DIR="$folder/data" WS_PORT=0 FILE_BYTES_MAX=$((mib * 1048576)) FILES_PER_USER_BYTES_MAX=0 RUST_LOG=warn \
  "$binary" >"$folder/out" 2>&1 &
server=$!
for _ in $(seq 100); do
  grep -q 'listening on' "$folder/out" && break
  sleep 0.1
done
url=$(sed -n 's/^convene is listening on //p' "$folder/out")
[ -n "$url" ] || { cat "$folder/out" >&2; exit 1; }

json() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }
account='{"username":"bench","email":"bench@example.org","password":"correct horse battery staple"}'
curl -sf -o /dev/null -H 'Content-Type: application/json' -d "$account" "$url/api/auth/register"
token=$(curl -sf -H 'Content-Type: application/json' -d "$account" "$url/api/auth/login" | json access_token)

now_ms() { date +%s%3N; }
rate() { awk -v mib="$mib" -v ms="$1" 'BEGIN { printf "%.0f", mib * 1.048576 / (ms / 1000) }'; }
resident_kib() { awk '/^VmRSS/ { print $2 }' "/proc/$server/status"; }

upload() {
  local location
  location=$(curl -sf -o /dev/null -D - -X POST "$url/api/v1/files" -H "Authorization: Bearer $token" -H 'Tus-Resumable: 1.0.0' \
    -H "Upload-Length: $((mib * 1048576))" | tr -d '\r' | awk 'tolower($1) == "location:" { print "/api/v1/" $2 }')
  curl -sf -o /dev/null -T "$source" -X PATCH "$url$location" -H "Authorization: Bearer $token" -H 'Tus-Resumable: 1.0.0' \
    -H 'Upload-Offset: 0' -H 'Content-Type: application/offset+octet-stream' -H 'Expect:' &
  local client=$! most=0 kib began
  began=$(now_ms)
  while kill -0 "$client" 2>/dev/null; do
    kib=$(resident_kib)
    [ "$kib" -gt "$most" ] && most=$kib
    sleep 0.05
  done
  wait "$client"
  took=$(($(now_ms) - began))
  resident=$most
  curl -sf -o /dev/null -X DELETE "$url$location" -H "Authorization: Bearer $token" -H 'Tus-Resumable: 1.0.0'
}

echo "resident before: $(($(resident_kib) / 1024)) MiB"
for run in $(seq "$runs"); do
  began=$(now_ms)
  dd if="$source" of="$folder/dd" bs=1M conv=fsync status=none
  dd_ms=$(($(now_ms) - began))
  rm -f "$folder/dd"
  upload
  echo "run $run: dd $(rate $dd_ms) MB/s, upload $(rate "$took") MB/s, resident at most $((resident / 1024)) MiB"
done
