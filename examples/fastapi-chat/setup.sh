#!/bin/sh
# Once: the Python packages in .venv, and the prompts in a Git repository of their own, data/prompts.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
wanted='aiosqlite fastapi promptctl psycopg sqlalchemy uvicorn'
if ! "$python" -c "import sys; from importlib.util import find_spec; sys.exit(not all(map(find_spec, '$wanted'.split())))"; then
    python=.venv/bin/python
    [ -x "$python" ] || "${PYTHON:-python3}" -m venv .venv
    echo "Installing the packages of requirements.txt into .venv (once) …"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
fi
"$python" -m demo.make_workspace data/prompts
echo "Now: sh start.sh"
