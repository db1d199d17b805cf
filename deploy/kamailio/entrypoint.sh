#!/bin/sh
# Kamailio on PostgreSQL, in the foreground, logging to stderr. DATABASE_URL: postgres://user:password@host/database, which
# kamailio.cfg reads from the environment: the command line is no place for a password.
# ADVERTISED (optional): the address and port that telephones know this host by.
# SIP_GATEWAY, SIP_EMERGENCY_GATEWAY (optional): host:port of your gateway to the telephone network, and of the one for emergencies.
set -eu
: "${DATABASE_URL:?is not set}"
export DATABASE_URL
set -- -A WITH_POSTGRESQL -A SIP_ADDRESS=0.0.0.0 "$@"
if [ -n "${ADVERTISED:-}" ]; then
  set -- -A "ADVERTISED=$ADVERTISED" "$@"
fi
# Given only if there is one: what is defined and empty would be a gateway too.
if [ -n "${SIP_GATEWAY:-}" ]; then
  set -- -A "GATEWAY=\"$SIP_GATEWAY\"" "$@"
  if [ -n "${SIP_EMERGENCY_GATEWAY:-}" ]; then
    set -- -A "EMERGENCY_GATEWAY=\"$SIP_EMERGENCY_GATEWAY\"" "$@"
  fi
fi
exec kamailio -DD -E -f "${KAMAILIO_CFG:-/etc/kamailio/kamailio.cfg}" -w /run/kamailio -Y /run/kamailio -P /run/kamailio/kamailio.pid "$@"
