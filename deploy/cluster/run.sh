#!/usr/bin/env bash
# Runs a local cluster for trying out and testing: nodes, PostgreSQL, Redis and HAProxy on free loopback ports, with all files
# in one temporary folder. Runs until Ctrl-C, then removes everything.
#
#   deploy/cluster/run.sh                      two nodes, built from this tree
#   deploy/cluster/run.sh --nodes 3            three nodes
#   deploy/cluster/run.sh --binary PATH        with an existing executable
#
# The nodes inherit all other settings from the environment (RUST_LOG, MAX_CONNECTIONS_PER_USER, …).
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)

usage() {
  echo "usage: deploy/cluster/run.sh [--nodes 1..9] [--binary PATH]" >&2
  exit 2
}

nodes=2
binary=
while [ $# -gt 0 ]; do
  case $1 in
    --nodes) [[ ${2:-} =~ ^[1-9]$ ]] || usage; nodes=$2; shift 2 ;;
    --binary) [ -n "${2:-}" ] || usage; binary=$(realpath "$2"); shift 2 ;;
    *) usage ;;
  esac
done

# Debian installs PostgreSQL's programs in a folder per version and HAProxy in /usr/sbin, neither of which may be in PATH.
PATH=$PATH:/usr/sbin:$(printf '%s:' /usr/lib/postgresql/*/bin)
missing=()
command -v initdb >/dev/null || missing+=(postgresql)
command -v redis-server >/dev/null || missing+=(redis-server)
command -v haproxy >/dev/null || missing+=(haproxy)
command -v curl >/dev/null || missing+=(curl)
if [ ${#missing[@]} -gt 0 ]; then
  echo "missing programs; run: apt-get install -y --no-install-recommends ${missing[*]}" >&2
  exit 1
fi

if [ -z "$binary" ]; then
  (cd "$root" && cargo build --release --bin convene)
  binary=${CARGO_TARGET_DIR:-$root/target}/release/convene
fi
[ -x "$binary" ] || { echo "$binary is not an executable; build it, or omit --binary" >&2; exit 1; }

ulimit -n "$(ulimit -Hn)" # every socket is an open file; in HAProxy two
umask 077
folder=$(mktemp -d "${TMPDIR:-/tmp}/convene-cluster-XXXXXX")
chmod 711 "$folder" # PostgreSQL may run as another user and must reach its data
started=()

# Starts a program through a generated script, which users can run to start the program again after killing it. The program
# runs in its own session, so that Ctrl-C reaches only this script, which stops the programs in the right order.
start() {
  local name=$1
  shift
  printf '#!/usr/bin/env bash\necho $$ >%q\nexec %s>>%q 2>&1 </dev/null\n' \
    "$folder/$name.pid" "$(printf '%q ' "$@")" "$folder/$name.log" >"$folder/$name.sh"
  started+=("$name")
  setsid bash "$folder/$name.sh" &
  disown # no message from bash when somebody kills it
  until [ -s "$folder/$name.pid" ]; do sleep 0.01; done
}

# A zombie process has no executable in /proc.
running() { [ -e "/proc/$(cat "$folder/$1.pid")/exe" ]; }

# Waits for a program to start: until the given command succeeds.
await() {
  local name=$1 tries
  shift
  for ((tries = 0; tries < 300; tries++)); do
    if "$@" >/dev/null 2>&1; then return; fi
    sleep 0.1
    running "$name" || break
  done
  echo "$name did not start; its log:" >&2
  tail -n 20 "$folder/$name.log" >&2
  exit 1
}

# Stops a program with the given signal, and kills it after 30 s.
stop() {
  local name=$1 signal=$2 tries
  [ -e "$folder/$name.pid" ] || return 0
  kill "-$signal" "$(cat "$folder/$name.pid")" 2>/dev/null || return 0
  kill -CONT "$(cat "$folder/$name.pid")" 2>/dev/null || true # it may have been paused
  for ((tries = 0; tries < 300; tries++)); do
    running "$name" || return 0
    sleep 0.1
  done
  kill -KILL "$(cat "$folder/$name.pid")" 2>/dev/null || true
}

# Stops the nodes first, in parallel because a drain takes seconds, then the programs that they depend on.
clean_up() {
  trap '' INT TERM HUP QUIT
  local name stopping=()
  for name in "${started[@]}"; do
    if [[ $name = node-* ]]; then stop "$name" TERM & stopping+=($!); fi
  done
  [ ${#stopping[@]} = 0 ] || wait "${stopping[@]}"
  stop haproxy TERM
  stop redis TERM
  stop postgres INT # fast shutdown; TERM would wait for clients to disconnect
  [ -z "$waiting" ] || kill "$waiting"
  rm -rf "$folder"
}
waiting=
trap clean_up EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP QUIT

# Chooses a port below the range for outgoing connections.
taken=" "
free_port() {
  local port
  while port=$((RANDOM % 10000 + 20000)); do
    case $taken in *" $port "*) continue ;; esac
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || break
  done
  taken+="$port "
  free=$port
}

# PostgreSQL refuses to run as root.
as_postgres=()
if [ "$(id -u)" = 0 ]; then as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups); fi

free_port; database_port=$free
mkdir "$folder/postgres"
if [ "$(id -u)" = 0 ]; then chown postgres "$folder/postgres"; fi
(cd / && "${as_postgres[@]}" initdb -D "$folder/postgres" -U convene -A trust -E UTF8 --locale=C.UTF-8 >"$folder/initdb.log")
start postgres "${as_postgres[@]}" postgres -D "$folder/postgres" -p "$database_port" -k "$folder/postgres" \
  -c listen_addresses=127.0.0.1 -c max_connections=200
await postgres psql -h 127.0.0.1 -p "$database_port" -U convene -d postgres -c 'CREATE DATABASE convene'

# Redis only relays messages and stores nothing, so it may be killed and restarted empty.
free_port; redis_port=$free
start redis redis-server --bind 127.0.0.1 --port "$redis_port" --save '' --appendonly no --dir "$folder"
await redis redis-cli -p "$redis_port" ping

database_url="postgres://convene@127.0.0.1:$database_port/convene"
redis_url="redis://127.0.0.1:$redis_port"
settings=(
  DATABASE_URL="$database_url" REDIS_URL="$redis_url" REDIS_PREFIX=convene
  JWT_SECRET_KEY="$(head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n')"
  WS_HOST=127.0.0.1 TRUSTED_PROXIES=127.0.0.1 DATA_DIR="$folder/data" FILES_DIR="$folder/files"
  # All clients connect from one address here, so limits per address are off.
  LOGIN_ATTEMPTS_PER_MINUTE="${LOGIN_ATTEMPTS_PER_MINUTE:-0}" REGISTRATIONS_PER_HOUR="${REGISTRATIONS_PER_HOUR:-0}"
)
for ((node = 1; node <= nodes; node++)); do
  free_port; port[node]=$free
  start "node-$node" env "${settings[@]}" NODE_NAME="node-$node" WS_PORT="${port[node]}" "$binary"
done
for ((node = 1; node <= nodes; node++)); do
  await "node-$node" curl -fs "http://127.0.0.1:${port[node]}/readyz"
done

# Uses the shipped configuration with the addresses of these nodes, and in plain text, since it listens on loopback only.
free_port; balancer_port=$free
sed -e '/^frontend plain/,/^frontend public/{/^frontend public/!d}' \
  -e "s/^ *bind :8443 .*/    bind 127.0.0.1:$balancer_port/" -e '/^ *server /d' \
  "$root/deploy/haproxy/haproxy.cfg" >"$folder/haproxy.cfg"
for ((node = 1; node <= nodes; node++)); do
  echo "    server node-$node 127.0.0.1:${port[node]}" >>"$folder/haproxy.cfg"
  echo "    server node-$node-anyway 127.0.0.1:${port[node]} backup no-check" >>"$folder/haproxy.cfg"
done
start haproxy haproxy -db -f "$folder/haproxy.cfg"
await haproxy curl -fs "http://127.0.0.1:$balancer_port/readyz"

echo
echo "balancer  http://127.0.0.1:$balancer_port"
for ((node = 1; node <= nodes; node++)); do
  echo "node-$node    http://127.0.0.1:${port[node]}  pid $(cat "$folder/node-$node.pid")"
done
echo "database  $database_url"
echo "redis     $redis_url"
echo "folder    $folder"
cat <<END

kill a node        kill -9 \$(cat $folder/node-1.pid)      start it again   bash $folder/node-1.sh &
drain a node       kill \$(cat $folder/node-1.pid)
kill Redis         kill -9 \$(cat $folder/redis.pid)       start it again   bash $folder/redis.sh &
read a log         tail -f $folder/node-1.log

Ctrl-C stops all of it.
END
sleep infinity &
waiting=$!
wait "$waiting"
