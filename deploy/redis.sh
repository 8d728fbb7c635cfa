#!/bin/sh
# Redis or Valkey, as docker-compose.yml and k8s/ run it, whichever of the two the image has.
#
#   redis.sh serve       start the server: redis.conf beside this file, and what the environment says
#   redis.sh cli …       redis-cli, with the password and TLS of this server
#   redis.sh users       print the users that the environment has passwords of, for a server elsewhere
#   redis.sh ping        exit 0 when it answers: LOADING and NOAUTH are answers, too, and only PONG counts
#
# FILLSTREAM_REDIS_PASSWORD: asked of everybody; none when empty. FILLSTREAM_REDIS_MAXMEMORY: 768mb when empty.
# FILLSTREAM_REDIS_<NAME>_PASSWORD: of the user of that name in users.acl beside this file: CLIENT, OPERATOR, FEED, GATEWAY,
# and a service each, SIGNALS, ORDERS, ENGINE, POSITIONS, ANALYTICS; without one there is no such user.
# /tls: when it is a folder, the server speaks TLS alone, with redis.crt, redis.key and ca.crt in it.
set -eu

conf=$(dirname "$0")/redis.conf
users=$(dirname "$0")/users.acl
own=/tmp/redis.conf    # in memory; no command line and no process list shows what is in it
mark=/data/fillstream-server

refuse() { echo "redis.sh: $*" >&2; exit 78; }

program() { command -v "redis-$1" || command -v "valkey-$1" || refuse "image: it has neither redis-$1 nor valkey-$1"; }

# "redis 8.2.1": what wrote the files in /data, by the mark of the last start or, without one, by their own header.
writer() {
    if [ -f "$mark" ]; then
        cat "$mark"
        return
    fi
    for base in /data/appendonlydir/*.base.rdb; do
        if [ -f "$base" ]; then
            head -c 200 "$base" | tr -d '\000' | LC_ALL=C sed -n \
                -e 's/^.*valkey-ver.\([0-9][0-9.]*\).*$/valkey \1/p' -e 's/^.*redis-ver.\([0-9][0-9.]*\).*$/redis \1/p' | head -n 1
        fi
    done
}

# Neither server reads all that the other writes, nor an older one what a newer one wrote: it would only start, end and
# start again, with "Can't handle RDB format version 12".
check_volume() {
    here=$("$(program server)" --version | LC_ALL=C sed -n 's/^\([A-Z][a-z]*\) server v=\([0-9.]*\).*$/\1 \2/p' | tr '[:upper:]' '[:lower:]')
    was=$(writer)
    if [ -n "$was" ]; then
        name=${was%% *} version=${was#* }
        if [ "$name" != "${here%% *}" ]; then
            refuse "the volume at /data was written by $was, and this image runs $here, which cannot read it. Each server" \
                "has volumes of its own: FILLSTREAM_REDIS_SERVER=$name goes on with these, FILLSTREAM_REDIS_SERVER=${here%% *}" \
                "with the other ones"
        fi
        number=${here#* }
        if [ "${version%%.*}" -gt "${number%%.*}" ]; then
            refuse "the volume at /data was written by $was, and this image runs the older $here, which cannot read it:" \
                "take an image of $name ${version%%.*} or newer, or, for a new and empty desk, another project" \
                "(docker compose --project-name NAME)"
        fi
    fi
    echo "$here" > "$mark"
}

one_line() {
    case $2 in *'
'*) refuse "$1: it has more than one line" ;; esac
}

# NAME VARIABLE PASSWORD RULES: a user. The file has only the password's hash in it.
write_user() {
    one_line "$2" "$3"
    printf 'user %s on #%s %s\n' "$1" "$(printf '%s' "$3" | sha256sum | cut -d ' ' -f 1)" "$4"
}

# Those of users.acl whose passwords are given.
write_users() {
    named=
    if [ -n "${FILLSTREAM_REDIS_PASSWORD:-}" ]; then
        # Not as requirepass, which CONFIG GET shows to every service that may ask for the configuration.
        write_user default FILLSTREAM_REDIS_PASSWORD "$FILLSTREAM_REDIS_PASSWORD" '~* &* +@all'
    fi
    while read -r name rules; do
        case $name in '#'* | '') continue ;; esac
        variable=FILLSTREAM_REDIS_$(echo "$name" | tr '[:lower:]' '[:upper:]')_PASSWORD
        eval "password=\${$variable:-}"
        [ -n "$password" ] || continue
        named="$named $name"
        write_user "$name" "$variable" "$password" \
            "$(echo "$rules" | sed "s|PREFIX|${FILLSTREAM_MESSAGING__TOPIC_PREFIX:-}|g")"
    done < "$users"
    if [ -n "$named" ] && [ -z "${FILLSTREAM_REDIS_PASSWORD:-}" ]; then
        echo "redis.sh: FILLSTREAM_REDIS_PASSWORD is empty: whoever connects without a name may do everything" >&2
    fi
}

write_conf() {
    echo "include $conf"
    echo "maxmemory ${FILLSTREAM_REDIS_MAXMEMORY:-768mb}"
    write_users
    if [ -d /tls ]; then
        for file in redis.crt redis.key ca.crt; do
            [ -f "/tls/$file" ] || refuse "FILLSTREAM_REDIS_TLS_DIR: there is no $file in it"
        done
        printf '%s\n' "port 0" "tls-port 6379" "tls-cert-file /tls/redis.crt" "tls-key-file /tls/redis.key" \
            "tls-ca-cert-file /tls/ca.crt" "tls-auth-clients no"
    fi
}

serve() {
    check_volume
    rm -f "$own"
    write_conf > "$own"
    if [ "$(id -u)" = 0 ]; then
        # The image's own entry point knows its server by the .conf, hands /data to the server's user, and becomes it.
        exec docker-entrypoint.sh "$own"
    fi
    exec "$(program server)" "$own"
}

cli() {
    if [ -n "${FILLSTREAM_REDIS_PASSWORD:-}" ]; then
        export REDISCLI_AUTH="$FILLSTREAM_REDIS_PASSWORD" VALKEYCLI_AUTH="$FILLSTREAM_REDIS_PASSWORD"
    fi
    if [ -d /tls ]; then
        set -- --tls --cacert /tls/ca.crt "$@"
    fi
    exec "$(program cli)" "$@"
}

case ${1:-} in
    serve) serve ;;
    cli) shift; cli "$@" ;;
    users) write_users ;;
    ping) [ "$(cli ping)" = PONG ] ;;
    *) refuse "usage: redis.sh serve | cli … | users | ping" ;;
esac
