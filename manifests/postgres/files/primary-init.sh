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
# May have: CENSUS_SECONDS, how long to wait for the replicas (300); CENSUS_PORT (5433);
#        MEMBER_PORT (5432).
set -eu
census_port=${CENSUS_PORT:-5433}
member_port=${MEMBER_PORT:-5432}
new=$PGDATA.new
sockets=/tmp

# a volume plugin that honours fsGroup may have opened it to the group: PostgreSQL refuses that
[ ! -d "$PGDATA" ] || chmod 0700 "$PGDATA"
[ ! -s "$PGDATA/PG_VERSION" ] || exit 0

say() { echo "primary-init: $*"; }

# A replica that answers (0: accepting, 1: starting or stopping) has data.
refuse_if_a_replica_has_data() {
    for member in $REPLICAS; do
        answer=0
        pg_isready -q -h "$member${MEMBER_DOMAIN:+.$MEMBER_DOMAIN}" -p "$member_port" -U replicator -t 2 || answer=$?
        [ "$answer" -le 1 ] || continue
        say "refusing to start: the volume of this primary is empty, but $member holds data."
        say "the volume was lost. a new cluster here would be an empty forum."
        say "to keep the data: restore this volume, or promote $member and copy it back."
        say "to begin anew without it: delete the claims of the replicas too."
        exit 1
    done
}

sql() { psql -XAtq -v ON_ERROR_STOP=1 --host="$sockets" --port="$census_port" --username=postgres --dbname=postgres "$@"; }

refuse_if_a_replica_has_data
rm -rf "$PGDATA" "$new"                 # what an interrupted run left
initdb --pgdata="$new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 --auth=trust --data-checksums
printf '%s\n' 'local all all trust' 'host postgres replicator all scram-sha-256' > /tmp/census_hba.conf
pg_ctl --pgdata="$new" --wait --silent --log=/tmp/init.log --options="-c listen_addresses='*' \
    -c port=$census_port -c unix_socket_directories=$sockets -c hba_file=/tmp/census_hba.conf \
    -c wal_level=replica -c password_encryption=scram-sha-256" start ||
    { cat /tmp/init.log; exit 1; }
trap 'pg_ctl --pgdata="$new" --wait --silent --mode=immediate stop || true' EXIT
sql -v db="$DB_NAME" -v user="$DB_USER" -v pw="$DB_PASSWORD" -v rpw="$REPLICATION_PASSWORD" <<'SQL'
CREATE ROLE :"user" LOGIN PASSWORD :'pw';
CREATE DATABASE :"db" OWNER :"user";
CREATE ROLE replicator WITH REPLICATION LOGIN PASSWORD :'rpw';
SQL

missing() {
    present=$(sql -c "SELECT DISTINCT application_name FROM pg_stat_activity WHERE usename = 'replicator'")
    for member in $REPLICAS; do
        echo "$present" | grep -qx "$member" || printf '%s ' "$member"
    done
}
started=$(date +%s)
said=
while absent=$(missing); [ -n "$absent" ]; do
    refuse_if_a_replica_has_data
    if [ $(($(date +%s) - started)) -ge "${CENSUS_SECONDS:-300}" ]; then
        say "refusing to start: the volume of this primary is empty, and no word from ${absent}whether theirs are too."
        say "if this is the first start, look why these pods do not run; else see whether they hold the data."
        exit 1
    fi
    [ "$absent" = "$said" ] || say "waiting for ${absent}to say that they hold no data"
    said=$absent
    sleep 0.2
done
say "every member is empty: this is the first start"
trap - EXIT
pg_ctl --pgdata="$new" --wait --silent --mode=fast stop
mv "$new" "$PGDATA"                     # whole, or not at all
