#!/usr/bin/env bash
# Installs the independent SIP programs that tests/interop calls the gateway with: SIPp, baresip and Kamailio, with tcpdump to
# capture what they say and socat to give SIPp the TLS that its Debian build lacks (Debian, Ubuntu).
# As root it installs what is missing, with service starts forbidden meanwhile; as anybody else it says what to install.
# It ends with 0 in both cases: without the peers the tests are skipped with a reason, or fail where CI=true.
set -euo pipefail

missing=()
need() {  # PACKAGE PROGRAM-OR-FILE
  command -v "$2" >/dev/null || compgen -G "$2" >/dev/null || missing+=("$1")
}
need sip-tester sipp
need baresip-core baresip
need tcpdump tcpdump
need kamailio kamailio
need kamailio-tls-modules '/usr/lib*/*/kamailio/modules/tls.so'
need socat socat
if [ ${#missing[@]} -eq 0 ]; then
  exit 0
fi

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "tests/peers.sh: for the interoperability tests install: ${missing[*]}" >&2
  echo "tests/peers.sh: (Debian, Ubuntu: sudo apt-get install ${missing[*]})" >&2
  exit 0
fi

policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
  printf '#!/bin/sh\nexit 101\n' >"$policy"  # invoke-rc.d: no service may start by itself
  chmod 755 "$policy"
  trap 'rm -f "$policy"' EXIT
fi

export DEBIAN_FRONTEND=noninteractive
install() { apt-get install --yes --no-install-recommends "${missing[@]}"; }
log=$(mktemp)
if ! { install || { apt-get update && install; }; } >"$log" 2>&1; then
  echo "tests/peers.sh: could not install ${missing[*]}:" >&2
  tail -n 20 "$log" >&2
fi
rm -f "$log"
