#!/bin/sh
# Kamailio on PostgreSQL, in the foreground, logging to stderr. DATABASE_URL: postgres://user:password@host/database, which
# kamailio.cfg reads from the environment: the command line is no place for a password.
# ADVERTISED (optional): the address and port that telephones know this host by.
set -eu
: "${DATABASE_URL:?is not set}"
export DATABASE_URL
set -- -A WITH_POSTGRESQL -A SIP_ADDRESS=0.0.0.0 "$@"
if [ -n "${ADVERTISED:-}" ]; then
  set -- -A "ADVERTISED=$ADVERTISED" "$@"
fi
exec kamailio -DD -E -f "${KAMAILIO_CFG:-/etc/kamailio/kamailio.cfg}" -w /run/kamailio -Y /run/kamailio -P /run/kamailio/kamailio.pid "$@"
