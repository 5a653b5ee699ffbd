#!/usr/bin/env bash
# Makes an animal talk: bash scripts/demo.sh [PICTURE|VIDEO VOICE]
#
# Without arguments, the sample fox. The result is talking.mp4 in the current folder. Sets up .venv the first time.
#   PYTHON  the Python to build .venv from (python3)
#   TORCH   what pip installs for torch; "" keeps what .venv has
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
venv=$root/.venv

if [ $# -ne 0 ] && [ $# -ne 2 ]; then
  echo "usage: bash scripts/demo.sh [PICTURE|VIDEO VOICE]" >&2
  exit 2
fi

wanted=$(echo "${TORCH-torch}" | cat - "$root/pyproject.toml" | sha256sum)
if [ "$(cat "$venv/installed" 2>/dev/null)" != "$wanted" ]; then
  echo "Setting up $venv ..." >&2
  make_venv() { "${PYTHON:-python3}" -m venv --clear "$venv"; }
  if [ ! -x "$venv/bin/pip" ] && ! make_venv; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1  # what is missing has just been said
    apt-get update -qq
    apt-get install -y -qq python3-venv </dev/null >/dev/null
    make_venv
  fi
  "$venv/bin/pip" install -q ${TORCH-torch} -e "$root"
  echo "$wanted" > "$venv/installed"
fi

if [ $# -eq 0 ]; then
  exec "$venv/bin/animal-lipsync" demo -o talking.mp4
fi
exec "$venv/bin/animal-lipsync" animate "$1" "$2" -o talking.mp4
