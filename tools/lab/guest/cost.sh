# What each order and protocol costs: writes over blocks never written before, each device in turn.
rounds=6
protocols='v5.10 v6.8 v6.11 v6.12 exclusive'

# us: nanoseconds as microseconds.
us() { awk '{ printf "%.2f", $1 / 1e3 }'; }

# asked NAME DEVICE ROUND OPTION...: the median of the requests of a load, which a pause of the guest's own that
# hits one of them does not move, and beside it their mean. The first round warms up.
asked() {
    local name=$1 device=$2 round=$3
    shift 3
    maprace load run "$device" --progress never "$@" --json >/tmp/load.json 2>/tmp/load.err ||
        { check "$name.$round" fail "$(tail -n 1 /tmp/load.err)"; return; }
    [ "$round" -gt 0 ] || return
    figure "$name" "$(sed -n '/"p": 50.0,/{ n; s/[^0-9]//g; p; q }' /tmp/load.json | us)" us
    figure "$name.mean" "$(value mean_ns /tmp/load.json | us)" us
}

# measure NAME DEVICE ROUND: random 4 KiB writes and sequential 1 MiB writes. Each round has positions of its own,
# the same for all. A thousand of half a million blocks: one in a hundred has been written before at most.
measure() {
    asked "$1.4k" "$2" "$3" --rw randwrite --bs 4k --size 2G --number_ios 1000 --randseed "$3"
    asked "$1.1m" "$2" "$3" --rw write --bs 1M --offset $((2048 + $3 * 12))M --size 12M
    # What the next one in turn need not wait for.
    sync "$2"
}

id=0
turns=
for order in buffer_head iomap; do
    for protocol in $protocols; do
        # One queue, and transfers of a whole MiB.
        device_add "$order.$protocol" $id --size 4G --media ram --backend fs --order $order \
            --protocol $protocol --queues 1 --depth 8 --buffer 1M
        turns="$turns $order.$protocol:/dev/ublkb$id"
        id=$((id + 1))
    done
done
device_add raw $id --size 4G --media ram --queues 1 --depth 8 --buffer 1M
turns="$turns raw:/dev/ublkb$id"
# What the boot has left to do ends first.
sleep 2
for round in $(seq 0 $rounds); do
    for turn in $turns; do measure "${turn%%:*}" "${turn#*:}" "$round"; done
done
for turn in $turns; do device_del "${turn%%:*}" "${turn#*ublkb}"; done
