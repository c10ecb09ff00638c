#!/bin/sh
# Start of a Redis pod. Who is the master? 1. what a sentinel says, 2. a running Redis that is one,
# 3. the first of the list (the first start, or all six pods came up at once).
#
# Needs: SELF (host:port), REDIS_NODES and SENTINEL_NODES ("host:port host:port ..."), MASTER_NAME,
#        REDIS_PASSWORD (no blank, no quote: Redis' own file format), CONF.
set -eu
ask() { # host:port, command...
    address=$1; shift
    timeout 3 redis-cli -h "${address%:*}" -p "${address#*:}" --no-auth-warning "$@" 2>/dev/null
}
ask_sentinels() { # sets master to what the first sentinel that knows says
    master=
    for node in $SENTINEL_NODES; do
        found=$(ask "$node" SENTINEL get-master-addr-by-name "$MASTER_NAME" || true)
        case $found in *[0-9]) master=$(echo $found | tr ' ' ':'); return ;; esac
    done
}
failover_pending() {
    for node in $SENTINEL_NODES; do
        if ask "$node" SENTINEL MASTER "$MASTER_NAME" | grep -q failover_in_progress; then return 0; fi
    done
    return 1
}

ask_sentinels
# "You" is no answer while a failover away from this pod is pending: it would be a second master until
# the sentinels turn it into a replica, and lose what was written to it. Sentinels on a node without CPU
# to spare do nothing for 30 s at a time (TILT).
patience=45
while [ "$master" = "$SELF" ] && [ "$patience" -gt 0 ] && failover_pending; do
    echo "redis-start: a failover away from $SELF is pending"
    patience=$((patience - 1))
    sleep 1
    ask_sentinels
done
[ -n "$master" ] || for node in $REDIS_NODES; do
    [ "$node" != "$SELF" ] || continue
    if [ "$(REDISCLI_AUTH=$REDIS_PASSWORD ask "$node" ROLE | head -1)" = master ]; then
        master=$node
        break
    fi
done
[ -n "$master" ] || master=${REDIS_NODES%% *}
echo "redis-start: this is $SELF, the master is $master"
replicaof=
[ "$master" = "$SELF" ] || replicaof="replicaof ${master%:*} ${master#*:}"
# on standard input, not as arguments: the process list would show the password
exec redis-server - <<CONFIGURATION
$(cat "$CONF")
port ${SELF#*:}
requirepass "$REDIS_PASSWORD"
masterauth "$REDIS_PASSWORD"
replica-announce-ip ${SELF%:*}
replica-announce-port ${SELF#*:}
$replicaof
CONFIGURATION
