#!/bin/sh
# Startup and readiness of a Redis pod: a master, or a replica whose link to the master is up.
# Needs: REDIS_PASSWORD
export REDISCLI_AUTH="$REDIS_PASSWORD"
redis-cli -p 6379 INFO replication | tr -d '\r' | grep -Eq '^(role:master|master_link_status:up)$'
