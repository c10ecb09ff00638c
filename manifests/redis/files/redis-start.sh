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
master=
for node in $SENTINEL_NODES; do
    found=$(ask "$node" SENTINEL get-master-addr-by-name "$MASTER_NAME" || true)
    case $found in *[0-9]) master=$(echo $found | tr ' ' ':'); break ;; esac
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
