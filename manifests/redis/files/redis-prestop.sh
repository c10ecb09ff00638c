#!/bin/sh
# preStop of a Redis pod: a master hands its role over before it goes (< 2 s), instead of letting the
# sentinels notice its absence after down-after-milliseconds. Never fails the stop.
# Needs: SELF (host:port), SENTINEL_NODES, MASTER_NAME, REDIS_PASSWORD
role() { REDISCLI_AUTH=$REDIS_PASSWORD timeout 2 redis-cli -p 6379 ROLE 2>/dev/null | head -1; }
sentinel() { # host:port, command...
    address=$1; shift
    timeout 3 redis-cli -h "${address%:*}" -p "${address#*:}" SENTINEL "$@" 2>/dev/null
}
[ "$(role)" = master ] || exit 0
for node in $SENTINEL_NODES; do
    case $(sentinel "$node" FAILOVER "$MASTER_NAME") in OK | INPROG*) ;; *) continue ;; esac
    # Until the sentinel names the new master, and not a moment longer: clients that still write to
    # this one write what the new master will never see; they change over when it is gone. Two seconds
    # as a rule; sentinels on a node without CPU to spare do nothing for 30 s at a time (TILT), and
    # until they do this master serves on.
    began=$(date +%s)
    while [ $(($(date +%s) - began)) -lt 40 ]; do
        master=$(sentinel "$node" get-master-addr-by-name "$MASTER_NAME" | tr '\n' ':')
        case $master in "$SELF:" | "") ;; *) exit 0 ;; esac
        sleep 0.2
    done
    exit 0
done
# no sentinel (the whole stack goes: teardown removes them before Redis), or no good replica
exit 0
