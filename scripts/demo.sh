#!/usr/bin/env bash
# Makes an animal talk: bash scripts/demo.sh [PICTURE|VIDEO VOICE]
#
# Without arguments, the sample fox. The result is talking.mp4 in the current folder, or talking-2.mp4 and so on where
# there is one already. Sets up .venv the first time.
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
  echo "Setting up $venv, once: PyTorch and a few small packages, some minutes and up to 6 GB." >&2
  make_venv() { "${PYTHON:-python3}" -m venv --clear "$venv"; }
  if [ ! -x "$venv/bin/pip" ] && ! make_venv; then
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null || exit 1  # what is missing has just been said
    echo "Installing python3-venv ..." >&2
    apt-get update -qq
    apt-get install -y -qq python3-venv </dev/null >/dev/null
    make_venv
  fi
  "$venv/bin/pip" install ${TORCH-torch} -e "$root" >&2
  echo "$wanted" > "$venv/installed"
fi

output=talking.mp4
for ((number = 2; ; number++)); do
  [ -e "$output" ] || break
  output=talking-$number.mp4
done
if [ $# -eq 0 ]; then
  exec "$venv/bin/animal-lipsync" demo -o "$output"
fi
exec "$venv/bin/animal-lipsync" animate -o "$output" -- "$1" "$2"
