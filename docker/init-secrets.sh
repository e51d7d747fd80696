#!/bin/sh
# Makes every secret of docker-compose.yml, once: what is there already is kept, so starting again changes nothing.
#   init-secrets.sh                 make what is missing
#   init-secrets.sh gateway NAME    let the gateway NAME in (or give it a new password); prints the password once
# Each consumer has a folder (a volume) of its own below $SECRETS, so none can read another's.
set -eu
umask 077
SECRETS=${SECRETS:-/secrets}

random() { head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }

# keep FILE TEXT: write TEXT unless the file is there; whole or not at all.
keep() {
    [ -s "$1" ] && return
    printf '%s\n' "$2" >"$1.new"
    mv "$1.new" "$1"
}

# own FOLDER UID: only that user reads it. Without root (as in tests) all is ours already.
own() { if [ "$(id -u)" = 0 ] && [ "${CHOWN:-yes}" = yes ]; then chown -R "$2:$2" "$1"; fi; }

# let_in USER PASSWORD: put or replace one user of the broker; no password stands on a command line.
let_in() {
    passwd=$SECRETS/mosquitto/passwd
    printf '%s:%s\n' "$1" "$2" >"$passwd.new"
    mosquitto_passwd -U "$passwd.new"
    if [ -f "$passwd" ]; then grep -v "^$1:" "$passwd" >>"$passwd.new" || true; fi
    mv "$passwd.new" "$passwd"
    own "$SECRETS/mosquitto" "${MOSQUITTO_UID:-1883}"
}

if [ "${1:-}" = gateway ]; then
    case ${2:-} in
    '' | *[!A-Za-z0-9._-]* | satomori) echo "usage: $0 gateway NAME   (letters, digits, . _ -)" >&2 && exit 2 ;;
    esac
    password=$(random)
    let_in "$2" "$password"
    echo "$password"
    exit
fi

for folder in mosquitto influxdb postgres grafana satomori; do mkdir -p "$SECRETS/$folder"; done

keep "$SECRETS/satomori/mqtt_password" "$(random)"
keep "$SECRETS/satomori/influxdb_token" "$(random)"
keep "$SECRETS/satomori/postgres_password" "$(random)"
keep "$SECRETS/influxdb/password" "$(random)"
keep "$SECRETS/grafana/admin_password" "$(random)"

# What two must know is made once and copied.
keep "$SECRETS/influxdb/token" "$(cat "$SECRETS/satomori/influxdb_token")"
keep "$SECRETS/grafana/influxdb_token" "$(cat "$SECRETS/satomori/influxdb_token")"
keep "$SECRETS/postgres/password" "$(cat "$SECRETS/satomori/postgres_password")"

let_in satomori "$(cat "$SECRETS/satomori/mqtt_password")"

own "$SECRETS/influxdb" "${INFLUXDB_UID:-1000}"
own "$SECRETS/postgres" "${POSTGRES_UID:-999}"
own "$SECRETS/grafana" "${GRAFANA_UID:-472}"
own "$SECRETS/satomori" "${SATOMORI_UID:-10001}"
echo "secrets are there"
