#!/bin/sh
# Copies the primary, once, into an empty volume and leaves standby.signal behind. Until the
# primary is there it takes part in the primary's census (primary-init.sh): holding a connection
# to its census port says "I hold no data". It copies nothing before the census is over: a copy of a
# cluster that is then given up would pass for data for ever.
#
# Needs: HOSTNAME (= name of the pod), PGDATA, PRIMARY_HOST, REPLICATION_PASSWORD.
set -eu
ordinal=${HOSTNAME##*-}
# a volume plugin that honours fsGroup may have opened it to the group: PostgreSQL refuses that
[ ! -d "$PGDATA" ] || chmod 0700 "$PGDATA"
if [ -s "$PGDATA/PG_VERSION" ]; then
    # a complete copy of earlier; without the signal file it would come up as a second primary
    [ -f "$PGDATA/standby.signal" ] && exit 0
    echo "replica-init: $PGDATA holds a primary, not a replica: it was promoted. refusing to start a second one."
    echo "replica-init: to make it a replica again, lose what only it holds: delete its claim and its pod."
    exit 1
fi

export PGPASSWORD="$REPLICATION_PASSWORD"
wait_seconds=600
began=$(date +%s)
echo "replica-init: waiting for the primary at $PRIMARY_HOST"
until pg_isready -q -h "$PRIMARY_HOST" -p 5432 -U replicator -t 3; do
    # the kubelet starts this script again, later each time
    [ $(($(date +%s) - began)) -lt "$wait_seconds" ] || { echo "replica-init: no primary within $wait_seconds s: see the log of its container init"; exit 1; }
    # held open until the primary ends its census; refused at once when there is none
    psql -XAtq --no-password -c 'SELECT pg_sleep(300)' \
        "host=$PRIMARY_HOST port=5433 user=replicator dbname=postgres application_name=$HOSTNAME connect_timeout=2" \
        >/dev/null 2>&1 || sleep 0.3
done

rm -rf "$PGDATA" "$PGDATA.new"          # what an interrupted copy left
# a slot of an earlier life of this member may have been cut off (max_slot_wal_keep_size), and a
# primary that was a replica once has none: make it anew
slot=replica_$ordinal
psql -XAtq --no-password -v ON_ERROR_STOP=1 "host=$PRIMARY_HOST port=5432 user=replicator dbname=postgres connect_timeout=5" \
    -c "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = '$slot'"
# -R copies these words into primary_conninfo. A replica that reconnects while the address still
# leads to a pod that is gone would hang for 70-130 s; connect_timeout does not count there
# (walreceiver connects asynchronously), this does.
options="tcp_user_timeout=5000 keepalives_idle=5 keepalives_interval=2 keepalives_count=3"
pg_basebackup --dbname="host=$PRIMARY_HOST port=5432 user=replicator application_name=$HOSTNAME $options" \
    --pgdata="$PGDATA.new" --wal-method=stream --checkpoint=fast \
    --create-slot --slot="$slot" --write-recovery-conf --no-password
mv "$PGDATA.new" "$PGDATA"              # whole, or not at all
