#!/bin/sh
# Runs roles.sql when the PostgreSQL container makes its data folder; the password is a secret.
set -eu
exec psql --no-psqlrc --quiet --username "${POSTGRES_USER:-postgres}" --dbname postgres \
  -v owner_password="$(cat /run/secrets/owner_password)" \
  -f /usr/local/share/imprimatur/roles.sql
