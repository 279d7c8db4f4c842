#!/usr/bin/env bash
# Makes .venv-pipecat, the environment of its own in which tests/interop/pipecat_client.py runs: Pipecat's dependencies
# and the gateway's need not agree. Made once and used again; a second run at the same time waits for the first.
# Ends with 0 when the environment is there, with 69 when the package index cannot be reached or has no such package.
#
#   tests/pipecat_env.sh            # uses python3, or what PYTHON names (3.11 or newer)
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/own_env.sh

requirements=(pipecat-ai==1.14.0 websockets==17.4)
make_environment .venv-pipecat "about 500 MB, once" "${requirements[@]}"
