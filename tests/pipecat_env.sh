#!/usr/bin/env bash
# Makes .venv-pipecat, the environment of its own in which tests/interop/pipecat_client.py runs: Pipecat's dependencies
# and the gateway's need not agree. Made once and used again; a second run at the same time waits for the first.
# Ends with 0 when the environment is there, with 69 when the package index cannot be reached or has no such package.
#
#   tests/pipecat_env.sh            # uses python3, or what PYTHON names (3.11 or newer)
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=(pipecat-ai==1.14.0 websockets==17.4)
environment=.venv-pipecat
stamp=$environment/.complete
wanted="${requirements[*]}"

exec 9<tests/pipecat_env.sh
flock 9

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  echo "$environment is there: $wanted"
  exit 0
fi

echo "making $environment with $wanted (about 500 MB, once)"
rm -rf "$environment"
"${PYTHON:-python3}" -m venv "$environment"
if ! "$environment/bin/pip" install --quiet --disable-pip-version-check "${requirements[@]}"; then
  echo "$environment could not be filled: no package index, or it lacks a package" >&2
  exit 69
fi
echo "$wanted" >"$stamp"
echo "made $environment"
