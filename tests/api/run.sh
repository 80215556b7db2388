#!/usr/bin/env bash
# Checks the server against its API document: the document must be valid OpenAPI 3.1, and the responses to whatever
# schemathesis sends must match it. Runs twice, as an administrator and as another user.
#
#   tests/api/run.sh [--examples N] [--seed N]
#
# Prints the seed; the same seed and document give the same requests. Without --examples it takes about 90 seconds.
# CONVENE names the binary, by default target/debug/convene.
set -euo pipefail
cd "$(dirname "$0")/../.."

examples=8
seed=20251027
while [ $# -gt 0 ]; do
  case "$1" in
    --examples) examples=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    *) echo "usage: tests/api/run.sh [--examples N] [--seed N]" >&2; exit 2 ;;
  esac
done

convene=${CONVENE:-${CARGO_TARGET_DIR:-target}/debug/convene}
[ -x "$convene" ] || { echo "$convene does not exist; run: cargo build --bin convene" >&2; exit 1; }
command -v curl >/dev/null || { echo "curl is not installed; run: apt-get install -y curl" >&2; exit 1; }

venv=${API_VENV:-${CARGO_TARGET_DIR:-target}/api-venv}
if ! "$venv/bin/pip" freeze 2>/dev/null | grep -qxFf tests/api/requirements.txt; then
  python3 -m venv "$venv" || { echo "run: apt-get install -y python3-venv" >&2; exit 1; }
  "$venv/bin/pip" install --quiet --disable-pip-version-check -r tests/api/requirements.txt
fi

folder=$(mktemp -d)
server=
finish() {
  [ -z "$server" ] || { kill "$server" 2>/dev/null && wait "$server" 2>/dev/null; } || true
  rm -rf "$folder"
}
trap finish EXIT

# With limits per address or user, most requests would be answered with 429, which tests nothing.
export DATA_DIR="$folder/data" WS_HOST=127.0.0.1 WS_PORT=0 JWT_SECRET_KEY=a-secret-of-the-api-tests-of-forty-characters
export UPLOADS_PER_USER_MAX=10000
export LOGIN_ATTEMPTS_PER_MINUTE=0 REGISTRATIONS_PER_HOUR=0 WEBSOCKET_REQUESTS_PER_MINUTE=0 WEBSOCKET_REQUESTS_PER_HOUR=0 REST_READS_PER_MINUTE=0 REST_WRITES_PER_MINUTE=0
# actix logs invalid HTTP requests, which are sent on purpose here.
export RUST_LOG=warn,actix_http=off ACCESS_TOKEN_MINUTES=600 DATABASE_URL="sqlite://$folder/convene.db"
export HYPOTHESIS_STORAGE_DIRECTORY="$folder/hypothesis" SCHEMATHESIS_HOOKS=hooks PYTHONPATH=tests/api PYTHONDONTWRITEBYTECODE=1
mkdir -p "$DATA_DIR"
"$convene" serve >"$folder/out" 2>"$folder/log" &
server=$!
base=
for _ in $(seq 300); do
  base=$(sed -n 's/^convene is listening on //p' "$folder/out")
  [ -n "$base" ] && break
  kill -0 "$server" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
  sleep 0.1
done
[ -n "$base" ] || { echo "the server did not listen within 30 s" >&2; exit 1; }

field() { "$venv/bin/python" -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }
post() { curl -sSf -H 'content-type: application/json' -H "authorization: Bearer $1" "$base$2" -d "$3"; }
admin=$("$convene" token --user root --username root --role admin)
user=$("$convene" token --user ann --username ann)
API_GROUP=$(post "$user" /api/groups '{"name":"Everybody"}' | field id)
API_CHANNEL=$(post "$user" "/api/groups/$API_GROUP/channels" '{"name":"general"}' | field id)
API_USER=bob
bob=$("$convene" token --user bob --username bob)
curl -sSf -o "$folder/bob" -H "authorization: Bearer $bob" "$base/api/auth/me"
# A room and a sheet for everybody, others only for Bob, and a file of each user.
API_ROOM=open_to_all API_PRIVATE_ROOM=of_bob API_SHEET=budget API_PRIVATE_SHEET=salaries
post "$user" /api/v1/rooms "{\"room_id\":\"$API_ROOM\"}" >"$folder/room"
post "$bob" /api/v1/rooms "{\"room_id\":\"$API_PRIVATE_ROOM\",\"visibility\":\"private\"}" >"$folder/room"
"$venv/bin/python" tests/api/seed.py "$base" "$user" "$API_ROOM" "$API_SHEET"
"$venv/bin/python" tests/api/seed.py "$base" "$bob" "$API_PRIVATE_ROOM" "$API_PRIVATE_SHEET"
upload() {
  printf 'some bytes' | curl -sSf -o "$folder/upload" -D - -H "authorization: Bearer $1" -H 'tus-resumable: 1.0.0' -H 'upload-length: 10' \
    -H 'content-type: application/offset+octet-stream' --data-binary @- "$base/api/v1/files" | sed -n 's#^[Ll]ocation: .*/##p' | tr -d '\r'
}
API_FILE=$(upload "$user")
API_FOREIGN_FILE=$(upload "$bob")
[ -n "$API_FILE" ] && [ -n "$API_FOREIGN_FILE" ] || { echo "the uploads failed" >&2; exit 1; }
export API_GROUP API_CHANNEL API_USER API_ROOM API_PRIVATE_ROOM API_SHEET API_PRIVATE_SHEET API_FILE API_FOREIGN_FILE

echo "== the document is OpenAPI 3.1"
curl -sSf -o "$folder/openapi.json" "$base/api/openapi.json"
"$venv/bin/openapi-spec-validator" "$folder/openapi.json"

# Excludes routes that would end the run: stopping the node, and revoking the token in use.
failed=0
attack() {
  local who=$1 token=$2
  shift 2
  echo "== as $who, seed $seed, at most $examples examples a route"
  API_TOKEN=$token "$venv/bin/st" --config-file tests/api/schemathesis.toml run "$base/api/openapi.json" \
    --seed "$seed" --max-examples "$examples" --workers 1 --warnings off --generation-database none "$@" || failed=1
}
attack "an administrator" "$admin" --exclude-path /api/v1/ws/shutdown --exclude-path /api/auth/revoke
attack "another user" "$user"

# A reused refresh token is logged as a warning, and it is reused on purpose.
if grep -E ' level=(error|warn) ' "$folder/log" | grep -v ' event=refresh_reused '; then
  echo "the server's log has errors or warnings (above)"
  failed=1
fi
exit "$failed"
