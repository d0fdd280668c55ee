#!/bin/sh
# Once: the packages in .venv, the prompts in a Git repository of their own, the tables, and a user for the admin.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
if ! "$python" -c 'import django, promptctl' 2>/dev/null; then
    python=.venv/bin/python
    [ -x "$python" ] || "${PYTHON:-python3}" -m venv .venv
    echo "Installing the packages of requirements.txt into .venv (once) …"
    "$python" -m pip install --quiet --disable-pip-version-check --requirement requirements.txt
fi
PYTHON=$python sh sandbox/make.sh "${PROMPTS:-data/prompts}"
"$python" manage.py migrate --verbosity 0
DJANGO_SUPERUSER_PASSWORD=admin "$python" manage.py createsuperuser --noinput --username admin --email admin@example.com \
    2>/dev/null || echo "the user admin is there already"
"$python" manage.py sample_calls
echo "Now: sh start.sh, then http://127.0.0.1:8000/admin/ (admin, admin)"
