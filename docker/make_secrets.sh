#!/bin/sh
# Makes the secrets that compose.yaml mounts, once; what is there stays as it is.
#
# The folder is closed to others (0700) and the files in it are readable (0444): compose mounts
# each file with its mode as it is, and the processes in the containers have another user id.
set -eu
cd "$(dirname "$0")"
umask 077
mkdir -p secrets

random() { head -c 32 /dev/urandom | od -An -tx1 | tr -d ' \n'; }
keep() {
  if [ ! -e "secrets/$1" ]; then
    printf '%s' "$2" >"secrets/$1"
    chmod 0444 "secrets/$1"
    echo "made secrets/$1"
  fi
}
read_secret() { cat "secrets/$1"; }

keep secret_key "$(random)"
keep postgres_password "$(random)"
keep owner_password "$(random)"
for role in app reviewer publisher sequencer auditor; do
  keep "${role}_password" "$(random)"
  keep "database_url_$role" "postgres://imprimatur_$role:$(read_secret "${role}_password")@postgres:5432/imprimatur"
done
keep broker_password "$(random)"
keep database_owner_url "postgres://imprimatur_owner:$(read_secret owner_password)@postgres:5432/imprimatur"
keep broker_url "redis://:$(read_secret broker_password)@redis:6379/0"
