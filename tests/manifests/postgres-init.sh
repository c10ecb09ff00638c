#!/bin/bash
# Runs the init scripts of PostgreSQL's members (manifests/postgres/files) with real PostgreSQL
# programs: three members on three loopback addresses. Shows that an empty volume of the primary
# becomes a new database only when no replica can hold data.
#
#   sudo tests/manifests/postgres-init.sh
#
# Needs root (a network of its own, where the members have their real names and ports) and
# PostgreSQL 15's programs: in PATH or where Debian's postgresql-15 puts them.
set -euo pipefail

export PATH=$PATH:/usr/lib/postgresql/15/bin

fail() {
    echo "FAIL: $*" >&2
    [ ! -d "${work:-}" ] || tail -n 20 "$work"/*.log >&2
    exit 1
}

if [ "${1:-}" != inside ]; then
    [ "$(id -u)" = 0 ] || fail "this test makes a network of its own: run it as root"
    command -v initdb pg_basebackup psql >/dev/null || fail "PostgreSQL's programs are missing: apt-get install postgresql-15"
    files=$(dirname "$0")/../../manifests/postgres/files
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    # PostgreSQL does not run as root; "nobody" owns nothing else
    chmod 711 "$work"
    cp -r "$files" "$work/files"
    cp "$0" "$work/test.sh"
    install -d -o nobody "$work/run"
    {
        echo "127.0.0.1 localhost postgres-primary postgres-0.postgres"
        echo "127.0.1.1 postgres-1.postgres"
        echo "127.0.1.2 postgres-2.postgres"
    } > "$work/hosts"
    # also a process namespace: whatever is left over ends with the test
    unshare --net --mount --pid --fork --kill-child bash -euc '
        ip link set lo up
        mount --bind "$1/hosts" /etc/hosts
        mount --bind "$1" /mnt
        mount -t tmpfs tmpfs /tmp
        cd /mnt
        exec setpriv --reuid nobody --regid nogroup --clear-groups bash /mnt/test.sh inside
    ' bash "$work"
    exit
fi

work=/mnt/run
files=/mnt/files
export DB_NAME=wesago DB_USER=wesago DB_PASSWORD="p@s/w:%d;'1" REPLICATION_PASSWORD="r@p'l"
export PRIMARY_HOST=postgres-primary REPLICAS="postgres-1 postgres-2" MEMBER_DOMAIN=postgres

data() { echo "$work/$1/pgdata"; }
address() { case $1 in 0) echo 127.0.0.1 ;; *) echo "127.0.1.$1" ;; esac; }

begin_init() { # member: starts its init container, as the pod does; $! is that process
    mkdir -p "$work/$1"
    HOSTNAME=postgres-$1 PGDATA=$(data "$1") sh "$files/init.sh" > "$work/init-$1.log" 2>&1 &
}
init() { # member: the same, to its end
    begin_init "$1"
    wait $!
}
start() { # member: its main container
    pg_ctl --pgdata="$(data "$1")" --wait --silent --log="$work/server-$1.log" --options="-c config_file=$files/postgresql.conf \
        -c hba_file=$files/pg_hba.conf -c listen_addresses=$(address "$1") -c unix_socket_directories=$work/$1 -c shared_buffers=16MB" start
}
stop() { pg_ctl --pgdata="$(data "$1")" --wait --silent --mode=fast stop; }
query() { psql -XAtq --host="$work/$1" --username=postgres --dbname="$DB_NAME" --command="$2"; }
said() { grep -q "$2" "$work/init-$1.log" || fail "member $1 did not say \"$2\""; }
refuses() { # member, seconds it may wait for the others
    if CENSUS_SECONDS=$2 init "$1"; then fail "member $1 started"; fi
    [ ! -e "$(data "$1")" ] || fail "member $1 left a data folder behind"
    [ ! -e "$(data "$1").new/postmaster.pid" ] || fail "member $1 left a server behind"
}
within() { # seconds, command: waits until it holds
    local end=$((SECONDS + $1)); shift
    until "$@"; do [ "$SECONDS" -lt "$end" ] || fail "not within its time: $*"; sleep 0.1; done
}
streaming() { [ "$(query 0 "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'")" = "$1" ]; }
copied() { [ "$(query "$1" "SELECT count(*) FROM threads")" = "$2" ]; }
passed() { echo "ok   $*"; }

# --- the first start: all three come up at once, replicas first -----------------------------------
begin_init 1; first=$!
begin_init 2; second=$!
began=$(date +%s%N)
init 0 || fail "the primary did not start from nothing"
took=$((($(date +%s%N) - began) / 1000000))
start 0
wait $first || fail "replica 1 was not copied"
wait $second || fail "replica 2 was not copied"
start 1
start 2
within 20 streaming 2
query 0 "CREATE TABLE threads AS SELECT generate_series(1, 100) AS id" > /dev/null
within 20 copied 1 100
within 20 copied 2 100
passed "first start: two replicas stream (the primary's init took $took ms)"

# --- a restart changes nothing --------------------------------------------------------------------
stop 0
init 0 && start 0
[ "$(query 0 "SELECT count(*) FROM threads")" = 100 ] || fail "a restart lost rows"
init 1 && init 2
passed "a restart keeps the data"

# --- the primary's volume is lost -----------------------------------------------------------------
stop 0
rm -rf "$work/0"
refuses 0 30
said 0 "refusing to start: the volume of this primary is empty, but postgres-1 holds data"
passed "refuses beside two running replicas"

stop 1
refuses 0 30
said 0 "postgres-2 holds data"
passed "refuses beside one running replica, the other down"

stop 2
refuses 0 2
said 0 "no word from postgres-1 postgres-2"
passed "refuses while both replicas are down"

mv "$work/1" "$work/kept-1"
begin_init 1; first=$!
refuses 0 4
said 0 "no word from postgres-2"
passed "refuses when one replica is empty too and the other is down"
kill $first && wait $first || true

# --- the primary is made anew from a replica ------------------------------------------------------
rm -rf "$work/0" "$work/1" && mv "$work/kept-1" "$work/1"
init 1 && init 2 && start 1 && start 2
RESTORE_FROM=postgres-1 init 0 || fail "the primary was not copied back"
start 0
within 20 streaming 2
[ "$(query 0 "SELECT count(*) FROM threads")" = 100 ] || fail "the restored primary lacks rows"
query 0 "INSERT INTO threads VALUES (101)"
within 20 copied 1 101
within 20 copied 2 101
[ -z "$(query 0 "SHOW primary_conninfo")" ] || fail "the restored primary keeps the replica's settings"
passed "a lost primary is copied back from a replica, and both replicas follow it"

# --- a replica's volume is lost ---------------------------------------------------------------------------
stop 1
rm -rf "$work/1"
init 1 || fail "replica 1, lost, was not copied again: its old slot was in the way"
start 1
within 20 streaming 2
within 20 copied 1 101
passed "a lost replica is copied anew, with its old slot still there"

# --- a replica that was promoted does not come up as a second primary ------------------------------
query 1 "SELECT pg_promote()" > /dev/null
stop 1
if init 1; then fail "a promoted member started as a replica"; fi
said 1 "refusing to start a second one"
passed "refuses a promoted member beside the primary"

# --- an interrupted first start --------------------------------------------------------------------
stop 2
stop 0
rm -rf "$work"/[012]
begin_init 0; primary=$!
within 20 pg_isready -q -h /tmp -p 5433 -U postgres
kill -9 $primary && wait $primary 2>/dev/null || true
pg_ctl --pgdata="$(data 0).new" --silent --mode=immediate stop
begin_init 1; first=$!
begin_init 2; second=$!
init 0 || fail "an interrupted first start can't be taken up again"
start 0 && wait $first $second
passed "an interrupted first start is taken up again"
