#!/usr/bin/env bash
# Makes .venv-pyvoip, the environment of its own in which tests/interop/pyvoip_phone.py runs as a process of its own:
# pyVoIP is under the GPL and is no part of the gateway. Made once and used again; a second run at the same time waits.
# Ends with 0 when the environment is there, with 69 when the package index cannot be reached or has no such package.
#
#   tests/pyvoip_env.sh            # uses python3, or what PYTHON names (3.11 or newer)
set -euo pipefail
cd "$(dirname "$0")/.."

requirements=(pyVoIP==1.6.8 'audioop-lts==0.2.2; python_version >= "3.13"')
environment=.venv-pyvoip
stamp=$environment/.complete
wanted="${requirements[*]}"

exec 9<tests/pyvoip_env.sh
flock 9

if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
  echo "$environment is there: $wanted"
  exit 0
fi

echo "making $environment with $wanted (once)"
rm -rf "$environment"
"${PYTHON:-python3}" -m venv "$environment"
if ! "$environment/bin/pip" install --quiet --disable-pip-version-check "${requirements[@]}"; then
  echo "$environment could not be filled: no package index, or it lacks a package" >&2
  exit 69
fi
echo "$wanted" >"$stamp"
echo "made $environment"
