# Sourced by the scripts that give an independent program a Python environment of its own, pinned, beside the gateway's.
# Made once and used again; a second run at the same time waits for the first.

# make_environment FOLDER SIZE REQUIREMENT...
# Ends the script with 69 when the package index cannot be reached or lacks a package.
make_environment() {
  local environment=$1 size=$2
  shift 2
  local stamp=$environment/.complete wanted="$*"

  exec 9<"tests/$(basename "$0")"
  flock 9

  if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$wanted" ]; then
    echo "$environment is there: $wanted"
    return
  fi

  echo "making $environment with $wanted ($size)"
  rm -rf "$environment"
  "${PYTHON:-python3}" -m venv "$environment"
  if ! "$environment/bin/pip" install --quiet --disable-pip-version-check "$@"; then
    echo "$environment could not be filled: no package index, or it lacks a package" >&2
    exit 69
  fi
  echo "$wanted" >"$stamp"
  echo "made $environment"
}
