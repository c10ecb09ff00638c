#!/bin/sh
# preStop of a Redis pod: a master hands its role over before it goes (nothing lost, < 1 s), instead
# of letting the sentinels notice its absence after down-after-milliseconds. Never fails the stop.
# Needs: SENTINEL_NODES, MASTER_NAME, REDIS_PASSWORD
export REDISCLI_AUTH="$REDIS_PASSWORD"
role() { timeout 2 redis-cli -p 6379 ROLE 2>/dev/null | head -1; }
[ "$(role)" = master ] || exit 0
answer=
for node in $SENTINEL_NODES; do
    answer=$(env -u REDISCLI_AUTH timeout 3 redis-cli -h "${node%:*}" -p "${node#*:}" SENTINEL FAILOVER "$MASTER_NAME" 2>/dev/null)
    [ "$answer" != OK ] || break
done
# no sentinel (the whole stack goes: teardown removes them before Redis), or no good replica
[ "$answer" = OK ] || exit 0
# the old master calls itself one for ~9 s more, until a sentinel demotes it: bounded
tries=0
while [ "$tries" -lt 40 ] && [ "$(role)" = master ]; do
    tries=$((tries + 1))
    sleep 0.5
done
exit 0
