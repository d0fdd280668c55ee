#!/bin/sh
# Starts the service on http://127.0.0.1:8000, or on the port of PORT.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
[ ! -x .venv/bin/python ] || python=.venv/bin/python
[ -d "${PROMPTS:-data/prompts}" ] || sh setup.sh
exec "$python" manage.py runserver --noreload "${PORT:-8000}"
