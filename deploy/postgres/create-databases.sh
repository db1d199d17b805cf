#!/bin/sh
# Runs once, when the volume is new: a database and a role for each part, so that none can read another's.
# The switch reads its tables; Dialtone owns them, and lets it write one: when an account made its first call.
set -eu
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres \
  --set dialtone_password="$DATABASE_PASSWORD" \
  --set switch_password="$SWITCH_DATABASE_PASSWORD" \
  --set temporal_password="$TEMPORAL_DATABASE_PASSWORD" <<'SQL'
CREATE ROLE dialtone LOGIN PASSWORD :'dialtone_password';
CREATE ROLE kamailio LOGIN PASSWORD :'switch_password';
CREATE ROLE temporal LOGIN PASSWORD :'temporal_password';
CREATE DATABASE dialtone OWNER dialtone;
CREATE DATABASE kamailio OWNER dialtone;
CREATE DATABASE temporal OWNER temporal;
CREATE DATABASE temporal_visibility OWNER temporal;
REVOKE CONNECT ON DATABASE dialtone, kamailio, temporal, temporal_visibility FROM PUBLIC;
GRANT CONNECT ON DATABASE kamailio TO kamailio;
\connect kamailio
ALTER DEFAULT PRIVILEGES FOR ROLE dialtone IN SCHEMA public GRANT SELECT ON TABLES TO kamailio;
SQL
