#!/usr/bin/env bash
# Install napari-sft with all its extras in a virtual environment of its own
# and check it: style, types, tests with coverage. Arguments go to pytest.
#
#   VENV    the environment (default .venv-tests), made when it is absent
#   PYTHON  the interpreter that makes it (default: one of Python 3.10 to 3.12)
set -euo pipefail
cd "$(dirname "$0")/.."
venv=${VENV:-.venv-tests}

find_python() {
    for python in ${PYTHON:-python3.12 python3.11 python3.10 python3}; do
        if "$python" -c 'import sys, venv, ensurepip
sys.exit(not (3, 10) <= sys.version_info < (3, 13))' 2>/dev/null; then
            echo "$python"
            return
        fi
    done
    echo 'napari-sft needs Python 3.10 to 3.12 with venv: set PYTHON' >&2
    return 1
}

if [ ! -x "$venv/bin/python" ]; then
    python=$(find_python)
    "$python" -m venv "$venv"
fi
# shellcheck source=/dev/null
. "$venv/bin/activate"

# An installed wheel is tested, not the checkout, so that packaging is tested
# too; a build folder left from earlier would carry deleted files into it.
rm -rf build
python -m pip install --quiet '.[dev]'

ruff check .
ruff format --check .
mypy

display=()
if [ -z "${DISPLAY:-}" ] && command -v xvfb-run >/dev/null; then
    display=(xvfb-run -a -s '-screen 0 1400x900x24')
fi
"${display[@]}" python -m pytest --cov --cov-report=term "$@"
