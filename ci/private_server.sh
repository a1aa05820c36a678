#!/usr/bin/env bash
# A database server of a test's own, which it may kill: `ci/private_server.sh start|restart|stop postgres|mariadb DIRECTORY`.
# `start` prints the URL. `restart` ends the server as a crash would, and comes back when it answers again.
set -euo pipefail

POSTGRES_PORT=55432
MARIADB_PORT=53306

action=$1 database=$2 directory=$3

as() {
    local user=$1
    shift
    if [ "$(id -u)" = 0 ]; then runuser -u "$user" -- "$@"; else "$@"; fi
}

# From a place that the other user may look at.
cd /

postgres_control() {
    local programs
    programs=$(find /usr/lib/postgresql -maxdepth 1 -mindepth 1 | sort -V | tail -1)/bin
    as postgres "$programs/$1" --pgdata "$directory/data" "${@:2}" >>"$directory/log" 2>&1
}

start_postgres() {
    install -d -o postgres "$directory" 2>/dev/null || mkdir -p "$directory"
    : >"$directory/log"
    postgres_control initdb --auth trust --username postgres --no-sync
    postgres_control pg_ctl -w --options "-p $POSTGRES_PORT -c unix_socket_directories=$directory -c max_connections=200" start
    echo "postgres://postgres@127.0.0.1:$POSTGRES_PORT/postgres"
}

restart_postgres() {
    postgres_control pg_ctl -w --mode immediate restart
}

stop_postgres() {
    postgres_control pg_ctl -w --mode immediate stop
}

run_mariadb() {
    setsid mariadbd --no-defaults --user=mysql --datadir="$directory/data" --port="$MARIADB_PORT" \
        --bind-address=127.0.0.1 --socket="$directory/socket" --pid-file="$directory/pid" >>"$directory/log" 2>&1 &
    local attempt
    for attempt in $(seq 300); do
        mariadb --no-defaults --host=127.0.0.1 --port="$MARIADB_PORT" --user=root --execute 'SELECT 1' >/dev/null 2>&1 && return
        sleep 0.1
    done
    echo "MariaDB does not answer: $directory/log says why" >&2
    return 1
}

start_mariadb() {
    install -d -o mysql "$directory" 2>/dev/null || mkdir -p "$directory"
    mariadb-install-db --no-defaults --user=mysql --datadir="$directory/data" --skip-test-db \
        --auth-root-authentication-method=normal >"$directory/log" 2>&1
    run_mariadb
    mariadb --no-defaults --socket="$directory/socket" --user=root --execute \
        "CREATE USER IF NOT EXISTS root@127.0.0.1; GRANT ALL ON *.* TO root@127.0.0.1 WITH GRANT OPTION; CREATE DATABASE test"
    echo "mysql://root@127.0.0.1:$MARIADB_PORT/test"
}

restart_mariadb() {
    stop_mariadb
    run_mariadb
}

stop_mariadb() {
    local process
    process=$(cat "$directory/pid")
    kill -KILL "$process"
    while kill -0 "$process" 2>/dev/null; do sleep 0.1; done
}

"${action}_$database"
