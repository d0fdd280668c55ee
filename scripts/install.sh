#!/bin/sh
# Install promptctl from this checkout into a virtual environment of its own: sh scripts/install.sh FOLDER
# Each package is installed by a hash in constraints-hashes.txt, as a wheel: no code of a package runs, and none is newer
# than this checkout. -I: nothing of the current folder or of PYTHONPATH is imported.
set -eu
into=$1
from=$(cd "$(dirname "$0")/.." && pwd)
python3 -I -m venv "$into"
pip() { "$into/bin/python" -I -m pip --quiet --disable-pip-version-check "$@"; }
pip install --require-hashes --only-binary :all: --requirement "$from/constraints-hashes.txt"
pip install --no-index --no-deps --no-build-isolation "$from"
