#!/bin/sh
# Makes the database cluster of the primary, once, with any image that holds PostgreSQL's own
# programs (no entrypoint script needed).
#
# An empty volume has two meanings: the very first start, or a lost volume. Were a lost one filled
# with a new, empty cluster, the forum would come up without a single thread, beside replicas that
# still hold them all. So nobody decides this alone: the census. Until every replica has said "I am
# empty too", by holding a connection to this member's port 5433 (replica-init.sh), the new
# cluster is not moved into place. A replica that holds data never says so, and neither does one
# that is down: then this script waits, says for whom, and gives up with an error.
#
# What this can't tell: the loss of all three volumes at once looks like the first start.
#
# Needs: PGDATA, REPLICAS (names of the other members), MEMBER_DOMAIN (their headless Service),
#        DB_NAME, DB_USER, DB_PASSWORD, REPLICATION_PASSWORD.
# May have: RESTORE_FROM, a replica to fill an empty volume from, after a loss;
#        CENSUS_SECONDS, how long to wait for the replicas (300).
set -eu
conf=$(dirname "$0")/postgresql.conf
new=$PGDATA.new
# where the server that runs during this script puts its socket and its log
run=/tmp
census_port=5433

say() { echo "primary-init: $*"; }

# options...: a server on the new cluster, for this script only
start_server() {
    pg_ctl --pgdata="$new" --wait --silent --timeout=300 --log="$run/init.log" \
        --options="-c config_file=$conf -c port=$census_port -c unix_socket_directories=$run $*" start ||
        { cat "$run/init.log"; exit 1; }
    trap 'pg_ctl --pgdata="$new" --wait --silent --mode=immediate stop || true' EXIT
}
stop_server() {
    trap - EXIT
    pg_ctl --pgdata="$new" --wait --silent --mode=fast stop
}
sql() { psql -XAtq -v ON_ERROR_STOP=1 --host="$run" --port="$census_port" --username=postgres --dbname=postgres "$@"; }

# A replica that answers (0: accepting, 1: starting or stopping) has data.
refuse_if_a_replica_has_data() {
    for member in $REPLICAS; do
        answer=0
        pg_isready -q -h "$member.$MEMBER_DOMAIN" -p 5432 -U replicator -t 2 || answer=$?
        [ "$answer" -le 1 ] || continue
        say "refusing to start: the volume of this primary is empty, but $member holds data."
        say "the volume was lost; a new cluster here would be an empty forum."
        say "to copy the data back: wesago deploy --set postgres_restore_from=$member"
        say "to begin anew without it: delete the claims of the replicas too."
        exit 1
    done
}

# Names of the replicas that have not said yet that they are empty.
unheard() {
    heard=$(sql -c "SELECT DISTINCT application_name FROM pg_stat_activity WHERE usename = 'replicator'")
    for member in $REPLICAS; do
        echo "$heard" | grep -qx "$member" || printf '%s ' "$member"
    done
}

census() {
    began=$(date +%s)
    said=
    while absent=$(unheard); [ -n "$absent" ]; do
        refuse_if_a_replica_has_data
        if [ $(($(date +%s) - began)) -ge "${CENSUS_SECONDS:-300}" ]; then
            say "refusing to start: the volume of this primary is empty, and no word from ${absent}whether theirs are too."
            say "if this is the first start, look why these pods do not run; else see whether they hold the data."
            exit 1
        fi
        [ "$absent" = "$said" ] || say "waiting for ${absent}to say that they hold no data"
        said=$absent
        sleep 0.2
    done
    say "every member is empty: this is the first start"
}

create() {
    initdb --pgdata="$new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --auth=trust --data-checksums
    printf '%s\n' 'local all all trust' 'host postgres replicator all scram-sha-256' > "$run/census_hba.conf"
    start_server "-c listen_addresses='*' -c hba_file=$run/census_hba.conf"
    sql -v db="$DB_NAME" -v user="$DB_USER" -v pw="$DB_PASSWORD" -v rpw="$REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE :"user" LOGIN PASSWORD :'pw';
CREATE DATABASE :"db" OWNER :"user";
CREATE ROLE replicator WITH REPLICATION LOGIN PASSWORD :'rpw';
SQL
    census
    stop_server
}

# Copies a replica and promotes the copy: it gets a timeline of its own, so that another replica
# that was ahead of the copied one stops instead of mixing two histories.
restore() {
    say "copying $RESTORE_FROM into the empty volume"
    PGPASSWORD="$REPLICATION_PASSWORD" pg_basebackup --pgdata="$new" --wal-method=stream --checkpoint=fast --no-password \
        --dbname="host=$RESTORE_FROM.$MEMBER_DOMAIN port=5432 user=replicator application_name=restore connect_timeout=10"
    touch "$new/standby.signal"
    start_server "-c listen_addresses=''"
    sql -c "SELECT pg_promote(true, 300)" | grep -qx t || { cat "$run/init.log"; exit 1; }
    sql -c "ALTER SYSTEM RESET primary_conninfo" -c "ALTER SYSTEM RESET primary_slot_name"
    for member in $REPLICAS; do
        sql -c "SELECT pg_create_physical_replication_slot('replica_${member##*-}')" > "$run/slot"
    done
    stop_server
}

# a volume plugin that honours fsGroup may have opened it to the group: PostgreSQL refuses that
[ ! -d "$PGDATA" ] || chmod 0700 "$PGDATA"
[ ! -s "$PGDATA/PG_VERSION" ] || exit 0
rm -rf "$PGDATA" "$new"                 # what an interrupted run left
if [ -n "${RESTORE_FROM:-}" ]; then
    restore
else
    refuse_if_a_replica_has_data
    create
fi
mv "$new" "$PGDATA"                     # whole, or not at all
