#!/usr/bin/env bash
# Makes .venv-oracles, the environment of its own in which tests/differential/oracles.py runs: three independent parsers
# of SIP and SDP that the project itself does not use. Made once and used again; a second run at the same time waits.
# Ends with 0 when the environment is there, with 69 when the package index cannot be reached or has no such package.
#
#   tests/oracles_env.sh            # uses python3, or what PYTHON names (3.11 or newer)
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/own_env.sh

requirements=(sipmessage==0.7.1 aiosipua==0.7.1 sdp-transform==1.1.0)
make_environment .venv-oracles "about 20 MB, once" "${requirements[@]}"
