#!/usr/bin/env bash
# Makes .venv-oracles, the environment of its own in which tests/differential/oracles.py runs: three independent parsers
# of SIP and SDP that the project itself does not use. Made once and used again; a second run at the same time waits.
# Ends with 0 when the environment is there, with 69 when the package index cannot be reached or has no such package.
#
#   tests/oracles_env.sh            # uses python3, or what PYTHON names (3.11 or newer)
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=(sipmessage==0.7.1 aiosipua==0.7.1 sdp-transform==1.1.0)
environment=.venv-oracles
stamp=$environment/.complete
wanted="${requirements[*]}"

exec 9<tests/oracles_env.sh
flock 9

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  echo "$environment is there: $wanted"
  exit 0
fi

echo "making $environment with $wanted (about 20 MB, once)"
rm -rf "$environment"
"${PYTHON:-python3}" -m venv "$environment"
if ! "$environment/bin/pip" install --quiet --disable-pip-version-check "${requirements[@]}"; then
  echo "$environment could not be filled: no package index, or it lacks a package" >&2
  exit 69
fi
echo "$wanted" >"$stamp"
echo "made $environment"
