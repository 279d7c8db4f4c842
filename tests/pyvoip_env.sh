#!/usr/bin/env bash
# Makes .venv-pyvoip, the environment of its own in which tests/interop/pyvoip_phone.py runs as a process of its own:
# pyVoIP is under the GPL and is no part of the gateway. Made once and used again; a second run at the same time waits.
# Ends with 0 when the environment is there, with 69 when the package index cannot be reached or has no such package.
#
#   tests/pyvoip_env.sh            # uses python3, or what PYTHON names (3.11 or newer)
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/own_env.sh

requirements=(pyVoIP==1.6.8 'audioop-lts==0.2.2; python_version >= "3.13"')
make_environment .venv-pyvoip "once" "${requirements[@]}"
