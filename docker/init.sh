#!/bin/sh
# Once, before the first `docker compose up`: build the image, make the keys and Grafana's password. What is there
# already stays, so that it may run again.
#
#   docker/init.sh [NAME]       NAME: whose the first API key is; default: me
#
# The API keys' hashes go into the volume `keys`; the first key is printed, once. Prometheus' key and the password go
# into docker/secrets/: the folder is ours alone, the files may be read, because containers read them as other users.
set -eu
cd "$(dirname "$0")"
umask 022
mkdir -p secrets
chmod 700 secrets

add_key() {  # add_key TENANT SCOPE: prints the key
    docker compose run --rm -T keys add --file /etc/codefusion/keys/keys.json --tenant "$1" --scope "$2"
}

DEVICE="${DEVICE:-$(sed -n 's/^DEVICE=//p' .env)}"
export DEVICE
docker compose --profile "$DEVICE" build

if [ ! -s secrets/grafana.password ]; then
    head -c 24 /dev/urandom | base64 > secrets/grafana.password
fi
if [ ! -s secrets/metrics.key ]; then
    # By way of a variable: a failed command must not leave an empty file behind.
    metrics_key="$(add_key prometheus metrics)"
    printf '%s\n' "$metrics_key" > secrets/metrics.key
    key="$(add_key "${1:-me}" infer)"
    echo "API key, shown this once: $key"
fi
echo "Ready: docker compose -f docker/docker-compose.yml up"
echo "Grafana: http://127.0.0.1:3000, user admin, password in docker/secrets/grafana.password"
