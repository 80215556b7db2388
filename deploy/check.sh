#!/usr/bin/env bash
# Checks every file of deploy/ with the tool it is written for, and checks that the settings and metrics it names exist in
# the server. Ends with "N passed, N failed".
#
#   deploy/check.sh             if tools are missing, prints how to install them
#   deploy/check.sh --install   installs missing tools first
set -euo pipefail
cd "$(dirname "$0")"

case "${1:-}" in
  "") install=no ;;
  --install) install=yes ;;
  *) echo "usage: deploy/check.sh [--install]" >&2; exit 2 ;;
esac

PATH=$PATH:/usr/sbin
tools=${CARGO_TARGET_DIR:-$PWD/../target}/deploy-check
python=$tools/bin/python

# Prints the Debian packages whose program is missing.
needed() {
  command -v haproxy >/dev/null || echo haproxy
  command -v nginx >/dev/null || echo nginx-light
  command -v promtool >/dev/null || echo prometheus
  command -v shellcheck >/dev/null || echo shellcheck
  command -v openssl >/dev/null || echo openssl
  command -v systemd-analyze >/dev/null || echo systemd
  python3 -c 'import ensurepip' 2>/dev/null || echo python3-venv
}

# The Python environment is current if the requirements have not changed since it was made.
environment_is_good() { cmp -s check/requirements.txt "$tools/requirements.txt"; }

packages=$(needed | tr '\n' ' ')
if [ "$install" = yes ]; then
  as_root=()
  [ "$(id -u)" = 0 ] || as_root=(sudo)
  # shellcheck disable=SC2086 # a list of words on purpose
  [ -z "$packages" ] || { "${as_root[@]}" apt-get update -q && "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -q --no-install-recommends $packages; }
  if ! environment_is_good; then
    python3 -m venv --clear "$tools"
    "$python" -m pip install -q --disable-pip-version-check -r check/requirements.txt
    cp check/requirements.txt "$tools/"
  fi
elif [ -n "$packages" ] || ! environment_is_good; then
  [ -z "$packages" ] || echo "missing; as root, run: apt-get install -y --no-install-recommends $packages" >&2
  environment_is_good || echo "missing Python packages (check/requirements.txt)" >&2
  echo "or install everything with: bash deploy/check.sh --install" >&2
  exit 1
fi

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
passed=0
failed=0

# Runs one check. Prints its output only if it fails.
check() {
  local what=$1
  shift
  if "$@" >"$scratch/output" 2>&1; then
    passed=$((passed + 1))
    echo "ok      $what"
  else
    failed=$((failed + 1))
    echo "FAILED  $what"
    sed 's/^/        /' "$scratch/output"
  fi
}

haproxy_accepts_it() {
  bash setup.sh --folder "$scratch/haproxy" || return 1
  sed "s#/run/secrets/convene.pem#$scratch/haproxy/convene.pem#" haproxy/haproxy.cfg >"$scratch/haproxy/haproxy.cfg"
  haproxy -c -f "$scratch/haproxy/haproxy.cfg"
}

# Provides what a real host would have: a folder for the files, a certificate, and addresses for the nodes' names.
nginx_accepts_it() {
  mkdir -p "$scratch/nginx"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=convene.example.org \
    -keyout "$scratch/nginx/convene.key" -out "$scratch/nginx/convene.pem" || return 1
  sed -e "s#/etc/nginx/tls#$scratch/nginx#; s#/var/log/nginx#$scratch/nginx#; s#server node-[0-9]*:#server 127.0.0.1:#" \
    nginx/convene.conf >"$scratch/nginx/convene.conf"
  echo "pid $scratch/nginx/pid; error_log stderr; events {} http { include $scratch/nginx/convene.conf; }" \
    >"$scratch/nginx/nginx.conf"
  nginx -t -c "$scratch/nginx/nginx.conf"
}

# The binary that the unit names need not be installed, so /bin/true stands in for it.
systemd_accepts_it() {
  sed 's#/usr/local/bin/convene#/bin/true#' systemd/convene.service >"$scratch/convene.service"
  systemd-analyze verify --man=no "$scratch/convene.service" >"$scratch/verified" 2>&1
  cat "$scratch/verified"
  [ ! -s "$scratch/verified" ]
}

kubernetes_accepts_them() {
  local file
  for file in kubernetes/*.yaml; do
    # Files for kustomize and Helm are not resources of the cluster.
    case $file in */kustomization.yaml | */prometheus-adapter.yaml) continue ;; esac
    "$tools/bin/kubernetes-validate" --strict --quiet -k 1.31 "$file" || return 1
  done
}

check "the HAProxy configuration" haproxy_accepts_it
check "the nginx configuration" nginx_accepts_it
check "the load balancers serve TLS only and forward what they should" "$python" check/balancers.py
check "the Prometheus configuration and rules" promtool check config prometheus/prometheus.yml
check "the alerts fire when they should" promtool test rules prometheus/rules_test.yml
check "metrics in rules, dashboard and autoscaler exist in the server" "$python" check/metrics.py
check "the systemd unit" systemd_accepts_it
check "the systemd unit is sandboxed" \
  systemd-analyze security --offline=true --threshold=20 systemd/convene.service
check "the Kubernetes resources" kubernetes_accepts_them
check "the Kubernetes resources are consistent" "$python" check/kubernetes.py
check "the Compose file" "$python" check/compose.py
check "setup.sh makes secrets and a certificate" "$python" check/secrets.py
check "the Dockerfile" "$tools/bin/hadolint" Dockerfile
check "settings exist in the server, and no drain is cut short" "$python" check/settings.py
check "docs/deployment.md" "$python" check/documents.py
check "shell scripts" shellcheck check.sh setup.sh cluster/run.sh ../tests/supply_chain/run.sh

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
