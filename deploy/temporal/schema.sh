#!/bin/sh
# Brings Temporal's two databases to the schema of this server version. May be repeated.
set -eu
for part in temporal:temporal visibility:temporal_visibility; do
  directory=${part%%:*} database=${part#*:}
  tool="temporal-sql-tool --plugin postgres12 --endpoint $POSTGRES_SEEDS --port 5432 --user temporal --database $database"
  # shellcheck disable=SC2086 # it is a command with arguments
  $tool setup-schema --version 0.0
  # shellcheck disable=SC2086
  $tool update-schema --schema-dir "/etc/temporal/schema/postgresql/v12/$directory/versioned"
done
