#!/bin/sh
# Starts the chat on http://127.0.0.1:8000. With --postgres the messages are kept in PostgreSQL, else in data/chat.db.
# With OPENAI_API_KEY the prompts' own model answers; without a key a small program that stands in for it.
set -eu
cd "$(dirname "$0")"
case ${1:-} in
'' | --postgres) ;;
*)
    echo "start.sh [--postgres]" >&2
    exit 2
    ;;
esac
port=${PORT:-8000}
python=${PYTHON:-python3}
[ ! -x .venv/bin/python ] || python=.venv/bin/python
[ -d data/prompts ] || sh setup.sh
chat='' model=''
end() {
    trap - INT TERM EXIT
    kill $chat $model 2>/dev/null || true
    wait
    [ -z "${is_ours:-}" ] || sh demo/postgres.sh stop
}
trap end INT TERM EXIT
if [ "${1:-}" = --postgres ]; then
    sh demo/postgres.sh start
    is_ours=yes
    DATABASE_URL=$(sh demo/postgres.sh url)
    export DATABASE_URL
fi
if [ -z "${OPENAI_API_KEY:-}${CHAT_MODEL:-}" ]; then
    export CHAT_MODEL=openai/demo-tutor OPENAI_API_KEY=none OPENAI_BASE_URL="http://127.0.0.1:$((port + 1))/v1"
    "$python" -m uvicorn demo.model:app --port $((port + 1)) --log-level warning &
    model=$!
fi
"$python" -m uvicorn app.main:create_app --factory --port "$port" &
chat=$!
wait "$chat"
