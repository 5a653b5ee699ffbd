#!/usr/bin/env bash
# Runs the fast tests beside old and new versions of what this pack stands on: bash scripts/matrix.sh [ROW ...]
#
# A row is a Python and what pip installs for it; without one, those of ROWS. Each takes up to 6 GB in a folder that
# is removed when its tests are over, and ends in a line of the table that is printed last. The script fails if a row does.
#   FOLDER  where the environments are made (.cache/matrix)
#   TESTS   what pytest is given (--ignore=tests/host); "--collect-only -q" shows only whether everything can be imported
# python3.10, python3.12 ... must be on the PATH; those of pyenv are found.
set -uo pipefail
cd "$(dirname "$0")/.."
folder=${FOLDER:-.cache/matrix}
ROWS=(
  "3.10 torch==2.4.1 numpy==1.26.4 av==16.0.1 Pillow==10.1.0 safetensors==0.4.2"
  "3.12 torch==2.8.0 numpy==2.2.6 opencv-python-headless<5"
  "3.13 torch numpy opencv-python-headless>=5"
)
[ $# -eq 0 ] || ROWS=("$@")

pythons=$(pyenv versions --bare --skip-aliases 2>/dev/null | paste -sd:)
table=() status=0
for row in "${ROWS[@]}"; do
  python=${row%% *} packages=${row#* } venv=$folder/${row//[^[:alnum:].]/-}
  rm -rf "$venv"
  if PYENV_VERSION=$pythons "python$python" -m venv "$venv" && "$venv/bin/pip" install -q --no-cache-dir $packages -e . pytest pytest-xdist hypothesis; then
    have=$("$venv/bin/pip" list --format=freeze | grep -Ei '^(torch|numpy|av|pillow|safetensors|opencv[a-z-]*)==' | tr '\n' ' ')
    "$venv/bin/python" -m pytest -q -n 2 --dist loadfile -p no:cacheprovider ${TESTS---ignore=tests/host} </dev/null | tee "$venv/said" || status=1
    said=$(tail -1 "$venv/said")
  else
    have=$packages said="cannot be installed" status=1
  fi
  rm -rf "$venv"
  table+=("| $python | $have | $said |")
done
printf '%s\n' "| Python | with | fast tests |" "|---|---|---|" "${table[@]}"
exit $status
