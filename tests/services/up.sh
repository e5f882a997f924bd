#!/usr/bin/env bash
# The services that the suite runs against, on one Debian machine.
#   up.sh install               install what is missing (Debian packages)
#   up.sh start DIR             start what does not answer; print the environment for the suite
#   up.sh main-job-environment DIR
#                               make a fresh database and its owner; print the environment in which
#                               `make demo-once` runs on PostgreSQL, Redis and S3
set -euo pipefail
here="$(cd "$(dirname "$0")" && pwd)"
as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }
as_postgres() { as_root su postgres -c "$1"; }

owner_url() {
  # A cluster that trusts loopback (as some machines come) needs no password.
  if psql -qAt "postgres://postgres@127.0.0.1:5432/postgres" -c 'select 1' >/dev/null 2>&1; then
    echo "postgres://postgres@127.0.0.1:5432/postgres"
  else
    echo "postgres://postgres:only-for-tests@127.0.0.1:5432/postgres"
  fi
}

install() {
  local wanted=() packages=(
    chromium:chromium exiftool:libimage-exiftool-perl psql:postgresql-client
    redis-cli:redis-server make:make curl:curl faketime:faketime
    tesseract:tesseract-ocr
  )
  for pair in "${packages[@]}"; do
    command -v "${pair%%:*}" >/dev/null || wanted+=("${pair##*:}")
  done
  # Tesseract's package brings English only.
  tesseract --list-langs 2>/dev/null | grep -qx deu || wanted+=(tesseract-ocr-deu)
  ls /usr/lib/postgresql/*/bin/postgres >/dev/null 2>&1 || wanted+=(postgresql)
  "${PYTHON:-python3}" -c 'import ensurepip, venv' 2>/dev/null || wanted+=(python3.11-venv)
  if [ ${#wanted[@]} -gt 0 ]; then
    as_root apt-get update -qq
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${wanted[@]}" >/dev/null
  fi
  bash "$here/ceph.sh" install >/dev/null
}

start() {
  local dir=$1
  if ! pg_isready -q -h 127.0.0.1 -p 5432; then
    as_root pg_ctlcluster --skip-systemctl-redirect "$(ls /etc/postgresql | tail -1)" main start >&2
    for _ in $(seq 50); do pg_isready -q -h 127.0.0.1 -p 5432 && break; sleep .2; done
  fi
  if ! psql -qAt "$(owner_url)" -c 'select 1' >/dev/null 2>&1; then
    as_postgres "psql -qc \"ALTER ROLE postgres PASSWORD 'only-for-tests'\"" >&2
  fi
  if ! redis-cli -h 127.0.0.1 ping >/dev/null 2>&1; then
    redis-server --daemonize yes --bind 127.0.0.1 --port 6379 --save '' --dir "$dir" >&2
  fi
  bash "$here/ceph.sh" start "$dir/ceph" >&2
  echo "export IMPRIMATUR_TEST_OWNER_URL=$(owner_url)"
  echo "export IMPRIMATUR_TEST_REDIS_URL=redis://127.0.0.1:6379/9"
  bash "$here/ceph.sh" env "$dir/ceph" | sed -E 's/^(export )?/export /'
}

main_job_environment() {
  local dir=$1 owner name=imprimatur_main_job
  local url="127.0.0.1:5432/$name"
  owner="$(owner_url)"
  psql -q "$owner" -c "DROP DATABASE IF EXISTS $name" >&2
  psql -q "$owner" -v database="$name" -v owner="${name}_owner" -v owner_password=owner-for-tests \
    -f "$here/../../docker/roles.sql" >&2
  redis-cli -h 127.0.0.1 -n 8 flushdb >&2
  cat <<ENV
export DJANGO_SETTINGS_MODULE=imprimatur.config.settings.base
export SECRET_KEY=$(head -c 48 /dev/urandom | base64 | tr -d '\n')
export ALLOWED_HOSTS=127.0.0.1
export DATABASE_URL=postgres://${name}_reviewer:reviewer-for-tests@$url
export DATABASE_OWNER_URL=postgres://${name}_owner:owner-for-tests@$url
export DATABASE_ROLES=${name}_
export DATABASE_APP_PASSWORD=app-for-tests
export DATABASE_REVIEWER_PASSWORD=reviewer-for-tests
export DATABASE_PUBLISHER_PASSWORD=publisher-for-tests
export DATABASE_SEQUENCER_PASSWORD=sequencer-for-tests
export DATABASE_AUDITOR_PASSWORD=auditor-for-tests
export CELERY_BROKER_URL=redis://127.0.0.1:6379/8
export IMPRIMATUR_VAR=$dir/main-job
export DEMO_S3_ENDPOINT=\${IMPRIMATUR_TEST_S3_ENDPOINT:-}
export DEMO_S3_ACCESS_KEY=\${IMPRIMATUR_TEST_S3_ACCESS_KEY_ID:-}
export DEMO_S3_SECRET_KEY=\${IMPRIMATUR_TEST_S3_SECRET_ACCESS_KEY:-}
ENV
}

case "${1:-}" in
  install) install ;;
  start) start "$2" ;;
  main-job-environment) main_job_environment "$2" ;;
  *) sed -n '2,8p' "$0"; exit 2 ;;
esac
