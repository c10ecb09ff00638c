#!/bin/sh
# Start of a sentinel pod. A sentinel rewrites its configuration file, so it lives on a writable
# volume; a fresh one must name the master of now, not the first master ever: 1. what another
# sentinel says, 2. a running Redis that is one.
#
# Needs: SELF (host:port), REDIS_NODES and SENTINEL_NODES ("host:port host:port ..."), MASTER_NAME,
#        REDIS_PASSWORD (no blank, no quote: Redis' own file format), CONF (the template), STATE (a
#        folder on the volume).
set -eu
ask() { # host:port, command...
    address=$1; shift
    timeout 3 redis-cli -h "${address%:*}" -p "${address#*:}" --no-auth-warning "$@" 2>/dev/null
}
if [ ! -s "$STATE/sentinel.conf" ]; then
    master=
    for node in $SENTINEL_NODES; do
        [ "$node" != "$SELF" ] || continue
        found=$(ask "$node" SENTINEL get-master-addr-by-name "$MASTER_NAME" || true)
        case $found in *[0-9]) master=$(echo $found | tr ' ' ':'); break ;; esac
    done
    # bounded by the startup probe, which restarts the container
    until [ -n "$master" ]; do
        for node in $REDIS_NODES; do
            if [ "$(REDISCLI_AUTH=$REDIS_PASSWORD ask "$node" ROLE | head -1)" = master ]; then
                master=$node
                break
            fi
        done
        [ -n "$master" ] || sleep 1
    done
    echo "sentinel-start: this is $SELF, the master is $master"
    {
        cat "$CONF"
        echo "port ${SELF#*:}"
        echo "dir $STATE"
        echo "sentinel announce-ip ${SELF%:*}"
        echo "sentinel announce-port ${SELF#*:}"
        echo "sentinel monitor $MASTER_NAME ${master%:*} ${master#*:} 2"
        echo "sentinel auth-pass $MASTER_NAME $REDIS_PASSWORD"
        echo "sentinel down-after-milliseconds $MASTER_NAME 5000"
        echo "sentinel failover-timeout $MASTER_NAME 15000"
        echo "sentinel parallel-syncs $MASTER_NAME 1"
    } > "$STATE/.new"
    mv "$STATE/.new" "$STATE/sentinel.conf"
fi
exec redis-sentinel "$STATE/sentinel.conf"
