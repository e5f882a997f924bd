#!/bin/bash
# A real S3 service for tests: Ceph RGW on loopback, one monitor, one manager, one in-memory store.
#
#   ceph.sh install          put Debian's packages on this machine (needs root)
#   ceph.sh start  STATE     start it; its files live in the folder STATE, which must not exist
#   ceph.sh env    STATE     print the variables that the contract tests read
#   ceph.sh stop   STATE     stop what was started there and remove STATE
#
# Everything stored is lost on stop. CEPH_S3_PORT (7480) and CEPH_MON_PORT (3300) choose the ports.
set -euo pipefail

readonly PACKAGES=(radosgw ceph-mon ceph-osd ceph-mgr ceph-common curl)
readonly MARKER=imprimatur-test-ceph
readonly WAIT_S=120
readonly PORT=${CEPH_S3_PORT:-7480}
readonly MON_PORT=${CEPH_MON_PORT:-3300}
readonly ACCESS_KEY=imprimatur-test
readonly SECRET_KEY=imprimatur-test-secret

fail() {
    echo "ceph.sh: $*" >&2
    exit 1
}

usage() {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 64
}

uuid() {
    cat /proc/sys/kernel/random/uuid
}

# wait_for WHAT COMMAND...: run COMMAND until it succeeds, or stop everything and fail.
wait_for() {
    local what=$1 deadline=$((SECONDS + WAIT_S))
    shift
    until timeout 5 "$@" >/dev/null 2>&1; do
        if ((SECONDS >= deadline)); then
            tail -n 20 "$STATE"/*.out >&2 || true
            stop_daemons
            fail "$what was not ready within $WAIT_S s; its files stay in $STATE"
        fi
        sleep 0.3
    done
}

# daemon NAME COMMAND...: run COMMAND apart from this shell, with its output and process id in STATE.
daemon() {
    local name=$1
    shift
    setsid "$@" </dev/null >"$STATE/$name.out" 2>&1 &
    echo $! >"$STATE/$name.pid"
}

# The gateway first and the monitor last, so that nobody waits for one who has left.
stop_daemons() {
    local name pid
    for name in rgw osd mgr mon; do
        [[ -s $STATE/$name.pid ]] || continue
        pid=$(<"$STATE/$name.pid")
        # A process id can be taken over: only a process that names our folder is ours.
        if grep -qsz -- "$STATE" "/proc/$pid/cmdline" "/proc/$pid/environ"; then
            kill "$pid" 2>/dev/null || true
            for _ in {1..50}; do
                kill -0 "$pid" 2>/dev/null || break
                sleep 0.1
            done
            kill -9 "$pid" 2>/dev/null || true
        fi
        rm -f "$STATE/$name.pid"
    done
}

write_config() {
    cat >"$CEPH_CONF" <<CONF
[global]
fsid = $(uuid)
mon_host = [v2:127.0.0.1:$MON_PORT]
public_addr = 127.0.0.1
cluster_addr = 127.0.0.1
keyring = $STATE/keyring
run_dir = $STATE
admin_socket = $STATE/\$name.asok
log_file = $STATE/\$name.log
mon_data = $STATE/mon
mgr_data = $STATE/mgr
osd_data = $STATE/osd
rgw_data = $STATE
auth_allow_insecure_global_id_reclaim = false
# One store without copies: nothing here is worth keeping.
osd_objectstore = memstore
memstore_device_bytes = 2147483648
osd_crush_chooseleaf_type = 0
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pgp_num = 4
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 1000
rgw_frontends = beast endpoint=127.0.0.1:$PORT
[osd.0]
keyring = $STATE/osd/keyring
CONF
}

write_keys() {
    local name
    ceph-authtool "$STATE/keyring" --create-keyring --gen-key -n mon. --cap mon 'allow *' >/dev/null
    for name in client.admin mgr.x client.rgw.a; do
        ceph-authtool "$STATE/keyring" --gen-key -n "$name" \
            --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *' >/dev/null
    done
}

start_monitor() {
    local fsid
    fsid=$(awk '$1 == "fsid" { print $3 }' "$CEPH_CONF")
    monmaptool --create --fsid "$fsid" --addv a "[v2:127.0.0.1:$MON_PORT]" "$STATE/monmap" >/dev/null
    ceph-mon -i a --mkfs --monmap "$STATE/monmap" --keyring "$STATE/keyring"
    daemon mon ceph-mon -i a -f
    wait_for "the monitor" ceph -s
}

start_store() {
    local id secret
    id=$(uuid)
    secret=$(ceph-authtool --gen-print-key)
    ceph osd new "$id" -i <(printf '{"cephx_secret":"%s"}' "$secret") >/dev/null
    ceph-authtool --create-keyring "$STATE/osd/keyring" --name osd.0 --add-key "$secret" >/dev/null
    ceph-osd -i 0 --mkfs --osd-uuid "$id" >"$STATE/mkfs.out" 2>&1
    daemon osd ceph-osd -i 0 -f
    wait_for "the store" bash -c 'ceph osd stat | grep -q "1 up"'
}

start() {
    local tool
    for tool in ceph ceph-mon ceph-mgr ceph-osd ceph-authtool monmaptool radosgw radosgw-admin curl; do
        command -v "$tool" >/dev/null || fail "$tool is missing; run: $0 install"
    done
    [[ ! -e $STATE ]] || fail "$STATE exists; stop what runs there first"
    if curl -s -o /dev/null --max-time 2 "http://127.0.0.1:$PORT/"; then
        fail "something answers on port $PORT already"
    fi
    mkdir -p "$STATE"/{mon,mgr,osd}
    chmod 700 "$STATE"
    touch "$STATE/$MARKER"
    write_config
    write_keys
    start_monitor
    # Without a manager the gateway never becomes ready.
    daemon mgr ceph-mgr -i x -f
    start_store
    daemon rgw radosgw -n client.rgw.a -f
    wait_for "the gateway" curl -fs "http://127.0.0.1:$PORT/"
    radosgw-admin user create --uid=imprimatur-test --display-name=imprimatur-test \
        --access-key="$ACCESS_KEY" --secret="$SECRET_KEY" >/dev/null 2>&1
    environment
}

environment() {
    cat <<ENV
IMPRIMATUR_TEST_S3_ENDPOINT=http://127.0.0.1:$PORT
IMPRIMATUR_TEST_S3_ACCESS_KEY_ID=$ACCESS_KEY
IMPRIMATUR_TEST_S3_SECRET_ACCESS_KEY=$SECRET_KEY
ENV
}

stop() {
    [[ -e $STATE/$MARKER ]] || fail "$STATE was not made by this script"
    stop_daemons
    rm -rf -- "$STATE"
}

install_packages() {
    export DEBIAN_FRONTEND=noninteractive
    apt-get update
    apt-get install -y --no-install-recommends "${PACKAGES[@]}"
}

case ${1:-} in
install) install_packages ;;
start | stop | env)
    [[ -n ${2:-} ]] || usage
    STATE=$(realpath -m -- "$2")
    export STATE CEPH_CONF=$STATE/ceph.conf
    case $1 in
    start) start ;;
    stop) stop ;;
    env) environment ;;
    esac
    ;;
*) usage ;;
esac
