# A load that is killed, whose device hangs, is killed or deleted; and what is left after a crash.

# A millisecond for everything, so that there are always requests in flight, and a cache that can be lost, so
# that the kernel sends flushes and writes through it.
fixed 1000
cp /tmp/fixed-1000.toml /tmp/cached.toml
cat >>/tmp/cached.toml <<'P'

[flush]
volatile = true
fua_native = true

[persist]
domain = "volatile-cache"
P

# begin NAME OPTION...: a load in the background, up to speed; $load is its process.
begin() {
    local name=$1
    shift
    maprace load run "$dev" --runtime 300 "$@" --json >"/out/$name.json" 2>"/out/$name.err" &
    load=$!
    sleep 2
    expect "$name.runs" "load run $*" kill -0 $load
    start=$(now)
}

# ended NAME: waits for its end, and says how long after the blow that was.
ended() {
    wait $load
    figure "$1.status" $? status
    figure "$1.seconds" "$(since "$start")" s
}

# read_one: whether the device answers.
read_one() { timeout 20 dd if="$dev" of=/dev/null bs=4k count=1 iflag=direct; }

# The load is killed.
device_add killed 0 --size 64M --media /tmp/fixed-1000.toml
begin killed --rw randrw --iodepth 8
kill -9 $load
ended killed
expect killed.reads "the device answers a read" read_one
device_stats killed 0
device_del killed 0

# The device hangs; then the load is interrupted.
device_add hung 0 --size 64M --media /tmp/fixed-1000.toml
begin hung --rw randread --iodepth 8
expect hung.stick "fault stick 1M..2M" maprace device fault 0 stick 1M..2M
sleep 2
expect hung.waits "the load waits" kill -0 $load
start=$(now)
kill -INT $load
ended hung
expect hung.release "fault release" sh -c 'maprace device fault 0 release --json >/out/release.json'
expect hung.reads "what hung is read" timeout 20 dd if="$dev" of=/dev/null bs=1M skip=1 count=1 iflag=direct
expect hung.usable "a verified load over what hung" \
    timeout 60 maprace load run "$dev" --rw randrw --verify --iodepth 8 --size 2M --number_ios 1000 --json
device_stats hung 0
device_del hung 0

# The device's process is killed, and the device goes with it; a load that ends at its first failure, and one
# that would go on.
for go_on in none all; do
    device_add "vanished-$go_on" 0 --size 64M --media /tmp/fixed-1000.toml --no-recovery
    begin "vanished-$go_on" --rw randread --iodepth 8 --continue_on_error $go_on
    kill -9 "$pid"
    ended "vanished-$go_on"
    expect "vanished-$go_on.gc" "what it left is removed" timeout 60 maprace device gc
    # The device is deleted under the load.
    device_add "deleted-$go_on" 0 --size 64M --media /tmp/fixed-1000.toml
    begin "deleted-$go_on" --rw randrw --iodepth 8 --continue_on_error $go_on
    device_del "deleted-$go_on" 0
    ended "deleted-$go_on"
done
expect left "nothing is left: $(left)" sh -c "! echo '$(left)' | grep -q '=[1-9]'"

# The device's process is killed under acknowledged writes, recovered, and all that was durable is there.
device_add crash 0 --size 8M --media /tmp/cached.toml --queues 2
for kill in 1 2 3; do
    begin "crash-$kill" --rw randwrite --iodepth 16 --fsync 32 --fua 7 --randseed $kill \
        --ack-log "/tmp/acks-$kill"
    sleep 0.$((kill * 3 % 10))
    kill -9 "$pid"
    expect "crash-$kill.recover" "device recover" \
        sh -c 'timeout 60 maprace device recover 0 --json >/tmp/recover.json'
    pid=$(value pid /tmp/recover.json)
    sleep 0.$((kill * 7 % 10))
    kill -INT $load
    ended "crash-$kill"
    maprace load verify "$dev" --ack-log "/tmp/acks-$kill" --json >"/out/crash-$kill.verify.json"
    figure "crash-$kill.verify" $? status
done
# One block is lost, and is named.
expect lost.zeroed "block 77 is overwritten" \
    dd if=/dev/zero of="$dev" bs=4k seek=77 count=1 oflag=direct conv=notrunc
maprace load verify "$dev" --ack-log /tmp/acks-3 --json >/out/lost.verify.json
figure lost.verify $? status
device_stats crash 0
device_del crash 0
