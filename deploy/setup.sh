#!/usr/bin/env bash
# Makes what deploy/compose.yaml needs before its first start, in deploy/secrets/: random secrets, and a self-signed certificate
# for trials. Existing files are kept, so put your own files there first, or replace them later and restart.
#
#   deploy/setup.sh                            for https://localhost:8443
#   deploy/setup.sh --host chat.example.org    for another host name
#   deploy/setup.sh --folder FOLDER            into another folder
#
# A certificate of your own: put the chain and the key into deploy/secrets/convene.pem.
set -euo pipefail

usage() {
  echo "usage: deploy/setup.sh [--host NAME] [--folder FOLDER]" >&2
  exit 2
}

host=localhost
folder=$(cd "$(dirname "$0")" && pwd)/secrets
while [ $# -gt 0 ]; do
  case $1 in
    --host) [[ ${2:-} =~ ^[A-Za-z0-9.-]+$ ]] || usage; host=$2; shift 2 ;;
    --folder) [ -n "${2:-}" ] || usage; folder=$2; shift 2 ;;
    *) usage ;;
  esac
done
command -v openssl >/dev/null || { echo "missing program; run: apt-get install -y --no-install-recommends openssl" >&2; exit 1; }

# The programs in the containers run as users of their own and must be able to read the files. On the host, the folder keeps
# other users out.
mkdir -p "$folder"
chmod 700 "$folder"

# Writes standard input to a file, unless that exists.
keep() {
  local path=$folder/$1
  if [ -e "$path" ]; then cat >/dev/null; return; fi
  cat >"$path.new"
  chmod 644 "$path.new"
  mv "$path.new" "$path"
  echo "made $path"
}

for name in jwt_secret_key postgres_password redis_password; do
  openssl rand -hex 32 | keep "$name"
done
echo "postgres://convene:$(cat "$folder/postgres_password")@postgres:5432/convene" | keep database_url
echo "redis://:$(cat "$folder/redis_password")@redis:6379/0" | keep redis_url

if [ ! -e "$folder/convene.pem" ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj "/CN=$host" \
    -addext "subjectAltName=DNS:$host" -keyout "$scratch/key.pem" -out "$scratch/certificate.pem" 2>/dev/null
  cat "$scratch/certificate.pem" "$scratch/key.pem" | keep convene.pem
  echo "The certificate is self-signed, for trials: browsers warn about it. Replace it before people use the server."
fi
