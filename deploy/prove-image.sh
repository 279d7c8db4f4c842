#!/usr/bin/env bash
# Runs the Dockerfile's steps without an engine: builds the virtual environment as the build stage does, from a clean export
# of the commit, then serves the image's default settings as an unprivileged user (when started as root) and runs the
# health check. tests/interop/test_image.py compares these commands with the Dockerfile's. Ports are moved off 5060 and 8080 so that it can run beside anything.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
chmod 755 "$work"

mkdir "$work/src"
git archive HEAD pyproject.toml constraints.txt README.md LICENSE gateway config | tar -x -C "$work/src"
python3 -m venv "$work/gateway"
(cd "$work/src" && "$work/gateway/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir --constraint constraints.txt .)

read -r sip http <<<"$(python3 - <<'PY'
import socket
sockets = [socket.socket() for _ in range(2)]
for s in sockets: s.bind(("127.0.0.1", 0))
print(*(s.getsockname()[1] for s in sockets))
PY
)"
sed -e "s/:5060/:$sip/g" -e "s/127.0.0.1:8080/127.0.0.1:$http/" "$work/src/config/local.yaml" >"$work/gateway.yaml"
run=()
if [ "$(id -u)" = 0 ]; then run=(setpriv --reuid 65534 --regid 65534 --clear-groups); fi
cd "$work"
"${run[@]}" "$work/gateway/bin/gateway" serve --config "$work/gateway.yaml" >"$work/log" 2>&1 &
server=$!
ready=
for _ in $(seq 50); do
  if python3 -c "import urllib.request as u; print(u.urlopen('http://127.0.0.1:$http/readyz', timeout=2).read().decode())" 2>/dev/null; then
    ready=yes
    break
  fi
  kill -0 "$server" 2>/dev/null || break
  sleep 0.1
done
if [ -z "$ready" ]; then
  cat "$work/log"
  echo "the gateway did not become ready" >&2
  exit 1
fi
"${run[@]}" "$work/gateway/bin/python" -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:$http/healthz', timeout=2)"
kill -TERM "$server"
wait "$server"
server=
echo "the image's steps build, serve as an unprivileged user, pass the health check and stop on SIGTERM with status 0"
