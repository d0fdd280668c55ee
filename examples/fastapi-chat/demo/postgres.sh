#!/bin/sh
# A PostgreSQL server for the chat alone, in a folder of its own: postgres.sh start | stop | url
# It listens on a socket in that folder, which only its own user and root may enter: no network, no password.
set -eu
cd "$(dirname "$0")/.."
port=${POSTGRES_PORT:-5433}
folder=${POSTGRES_FOLDER:-}

bin=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1) # where Debian keeps it
[ -n "$bin" ] || bin=$(dirname "$(command -v initdb)") || bin=
if [ ! -x "$bin/initdb" ]; then
    echo "there is no PostgreSQL server here; on Debian and Ubuntu: apt-get install postgresql" >&2
    exit 3
fi

if [ "$(id -u)" = 0 ]; then # the server refuses to run as root
    folder=${folder:-/var/lib/postgresql/fastapi-chat}
    make_folder() { install -d -m 700 -o postgres "$folder"; }
    as() { (cd / && exec setpriv --reuid=postgres --regid=postgres --clear-groups "$@"); }
else
    folder=${folder:-$PWD/data/postgres}
    make_folder() { mkdir -p -m 700 "$folder"; }
    as() { "$@"; }
fi

case ${1:-} in
start)
    make_folder
    is_new=
    if [ ! -f "$folder/PG_VERSION" ]; then
        as "$bin/initdb" --pgdata="$folder" --username=chat --auth=trust --encoding=UTF8 --locale=C --no-sync >/dev/null
        is_new=yes
    fi
    as "$bin/pg_ctl" status --pgdata="$folder" >/dev/null ||
        as "$bin/pg_ctl" start --silent --wait --pgdata="$folder" --log="$folder/server.log" \
            --options="-p $port -k '$folder' -c listen_addresses=''" >/dev/null
    [ -z "$is_new" ] || as "$bin/createdb" --host="$folder" --port="$port" --username=chat chat
    ;;
stop) as "$bin/pg_ctl" stop --silent --mode=fast --pgdata="$folder" ;;
url) echo "postgresql+psycopg://chat@/chat?host=$folder&port=$port" ;;
*)
    echo "postgres.sh start | stop | url" >&2
    exit 2
    ;;
esac
