# A device that stands still for a tenth of a second, seen by an open and by a closed loop.

# So many requests a second and no more, whatever the machine: 2000.
cat >/tmp/paced.toml <<'P'
name = "paced"
title = "2000 requests a second, each takes half a millisecond"

[read]
cmd_ns = 500000
lat_ns = { rand = 500000, seq = 500000 }
P

# stalled NAME OPTION...: a load; in the middle of it the device stands still.
stalled() {
    local name=$1 start up
    shift
    maprace load run "$dev" --rw randread --iodepth 4 --runtime 10 "$@" --json >"/out/$name.json" \
        2>/tmp/load.err &
    load=$!
    sleep 4
    start=$(now)
    expect "$name.stick" "the device stands still" maprace device fault 0 stick 0..64M
    sleep 0.1
    expect "$name.release" "and goes on" maprace device fault 0 release
    figure "$name.stalled" "$(since "$start")" s
    wait $load
    rc=$?
    expect "$name.done" "the load ends with 0, not $rc: $(tail -n 1 /tmp/load.err)" [ $rc -eq 0 ]
}

device_add paced 0 --size 64M --media /tmp/paced.toml --queues 1
sleep 2
expect capacity "what it can do, in a closed loop" \
    sh -c "maprace load run $dev --rw randread --iodepth 4 --runtime 2 --json >/out/capacity.json"
rate=$(value iops /out/capacity.json | awk '{ printf "%d", $1 * 0.8 }')
stalled open --rate_iops "$rate"
stalled closed
device_stats paced 0
device_del paced 0
