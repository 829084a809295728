# What each order and protocol costs: writes over blocks never written before, each device in turn.
rounds=6
protocols='v5.10 v6.8 v6.11 v6.12 exclusive'

# measure NAME DEVICE ROUND: the mean of random 4 KiB writes and of sequential 1 MiB writes. Each round has
# positions of its own, the same for all; the first one warms up. A thousand of half a million blocks: one in
# five hundred is drawn twice, or has been written in a round before.
measure() {
    maprace load run "$2" --rw randwrite --bs 4k --size 2G --number_ios 1000 --randseed "$3" --json >/tmp/short.json &&
        maprace load run "$2" --rw write --bs 1M --offset $((2048 + $3 * 8))M --size 8M --json >/tmp/long.json ||
        { check "$1.$3" fail "not measured"; return; }
    # What the next one in turn need not wait for.
    sync "$2"
    [ "$3" -gt 0 ] || return
    figure "$1.4k" "$(value mean_ns /tmp/short.json | awk '{ printf "%.2f", $1 / 1e3 }')" us
    figure "$1.1m" "$(value mean_ns /tmp/long.json | awk '{ printf "%.1f", $1 / 1e3 }')" us
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
