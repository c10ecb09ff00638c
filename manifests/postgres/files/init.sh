#!/bin/sh
# Init container of every PostgreSQL member: sends it to the script of its role. Member 0 is the
# primary and stays it.
# Needs: HOSTNAME (= name of the pod), and what the scripts need.
set -eu
here=$(dirname "$0")
case $HOSTNAME in
*-0) exec sh "$here/primary-init.sh" ;;
*) exec sh "$here/replica-init.sh" ;;
esac
