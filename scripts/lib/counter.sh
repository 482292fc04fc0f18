# What a counter's day needs, for scripts/demo, scripts/load and scripts/test-clients: synthetic cards, a
# configuration, a server on a free port. To be sourced from the repository's root.
#
#   counter_begin PROGRAM SCRATCH [mtls]   makes $counter_cards and sets $counter_address; with
#                                   mtls inside TLS, keys in SCRATCH/keys, role by certificate; ends the
#                                   script with the server's words where it does not start;
#                                   $counter_more is added to the configuration
#   counter_stop                    ends the server; call it from a trap too

counter_server=

# Three synthetic cards of one test authority: a sound one, a second one of the same
# face under another number, and the first with somebody else's photo put in.
counter_cards() {
    local program=$1 cards=$2
    forge() {
        "$program" chip forge-test-card ".cache/photos/$1" --seed demo --number "$2" --out "$cards/$3" >/dev/null
    }
    mkdir -p "$cards"
    forge obama.jpg 999088000017 card
    forge obama3.jpg 999075000023 second_card
    forge obama.jpg 999088000017 altered_card
    forge biden.jpg 999088000017 foreign
    cp "$cards/foreign/DG2.bin" "$cards/altered_card/DG2.bin"
}

counter_begin() {
    local program=$1 scratch=$2 mode=${3:-plain} test_keys=$scratch/keys
    counter_cards "$program" "$scratch/cards"
    # Press photos are no live captures, so this policy does without liveness and quality;
    # every decision says so.
    cat >"$scratch/chinhchu.toml" <<END
[chip]
csca = "cards/card/csca"

# Anybody can make cards of the test authority: never outside a demonstration.
[danger]
insist = ["TEST_ANCHOR"]

[policies.demo]
without = ["liveness", "quality"]
first_sight = "enrol"
# They are shown again and again here; at a counter, a picture that was used before refers.
on.capture_seen_before = "accept"
END
    if [[ $mode == mtls ]]; then
        mkdir -m 700 -p "$scratch/master"
        # A test authority, and certificates for the server and for one machine. The server knows
        # that machine by the URI in its certificate.
        "$program" keys ca "$test_keys" >/dev/null
        "$program" keys server "$test_keys" --name localhost --ip 127.0.0.1 >/dev/null
        "$program" keys client "$test_keys" --name demo --uri spiffe://demo.test/payments >/dev/null
        "$program" keys new-master "$scratch/master/master.key" >/dev/null
        cat >>"$scratch/chinhchu.toml" <<END

[tls]
certificate = "keys/server.pem"
key = "keys/server.key"
client_ca = "keys/ca.pem"
client_crl = ["keys/ca.crl"]

# A payment system that enrols as well: roles are in docs/access.md.
[access.machines.demo]
uri = "spiffe://demo.test/payments"
roles = ["workflow", "registrar"]

# Everything that is done is entered, signed, and can be proven: docs/ledger.md.
[ledger]
origin = "demo.test/log"

# What lies on the disk gives nobody a face: docs/sealing.md.
[sealing]
key = { file = "master/master.key" }
key_store = "subject-keys/keys"
END
    fi
    printf '%s\n' "${counter_more-}" >>"$scratch/chinhchu.toml"
    # Port 0: the system picks a free one, and the server says which. Its log is there
    # before it is, to be read at once.
    counter_log=$scratch/log
    : >"$counter_log"
    "$program" serve --listen 127.0.0.1:0 --create --data "$scratch/people" --config "$scratch/chinhchu.toml" \
        </dev/null >>"$counter_log" 2>&1 &
    counter_server=$!
    counter_address=
    for _ in {1..300}; do
        counter_address=$(sed -n 's/.*\(127\.0\.0\.1:[1-9][0-9]*\).*/\1/p' "$counter_log" | head -n 1)
        [[ -z $counter_address ]] || return 0
        if ! kill -0 "$counter_server" 2>/dev/null; then
            counter_server=
            break
        fi
        sleep 0.1
    done
    echo "$(basename "$0"): the server did not start; it said:" >&2
    cat "$counter_log" >&2
    exit 1
}

counter_stop() {
    if [[ -n $counter_server ]] && kill -TERM "$counter_server" 2>/dev/null; then
        # A graceful stop answers what is in flight; it is bounded by the server itself.
        wait "$counter_server" ||
            echo "$(basename "$0"): the server stopped with status $?; its log was: $(cat "$counter_log")" >&2
    fi
    counter_server=
}
