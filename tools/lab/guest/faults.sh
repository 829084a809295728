# What a person does to a device that serves: faults, requests that get stuck, another medium under load;
# and a device that is served in the foreground.
for us in 1000 5000; do fixed $us; done

# read_at BLOCK: 64 KiB.
read_at() { dd if=/dev/ublkb0 of=/dev/null bs=64k count=1 skip="$1" iflag=direct 2>/tmp/dd.err; }

# Blocks 16 to 31 of 64 KiB fail, and no other.
device_add faulty 0 --size 4M --media ram
expect bad.set "fault bad 1M..2M" maprace device fault 0 bad 1M..2M
wrong=0
for block in $(seq 0 63); do
    if read_at "$block"; then seen=good; else seen=$(grep -c 'Input/output error' /tmp/dd.err); fi
    expected=good
    [ "$block" -ge 16 ] && [ "$block" -lt 32 ] && expected=1
    [ "$seen" = $expected ] || { wrong=$((wrong + 1)); echo "block $block: $seen, not $expected"; }
done
expect bad.only "$wrong of 64 blocks do not answer as they should" [ $wrong -eq 0 ]
expect bad.cleared "fault clear" maprace device fault 0 clear
expect bad.reads "block 16 is read again" read_at 16

# One read in twenty; what fio sees is what was counted.
maprace device stats 0 --json >/out/rate.before.json
expect rate.set "fault rate 0.05" maprace device fault 0 rate 0.05
fio --name=r --filename=/dev/ublkb0 --direct=1 --rw=randread --bs=4k --ioengine=psync --thread --size=4M \
    --io_size=16M --norandommap --continue_on_error=read --output-format=json --output=/out/rate.fio.json \
    >/dev/null 2>&1
maprace device stats 0 --json >/out/rate.after.json
expect rate.cleared "fault clear" maprace device fault 0 clear

# A request that is stuck holds up nobody but its caller, until it is released.
expect stick.set "fault stick 0..4K" maprace device fault 0 stick 0..4K
read_at 0 &
stuck=$!
sleep 1
expect stick.holds "a read of block 0 is not answered" kill -0 $stuck
expect stick.others "block 1 is read meanwhile" read_at 1
maprace device stats 0 --json >/out/stuck.stats.json
expect stick.release "fault release" sh -c 'maprace device fault 0 release --json >/out/release.json'
expect stick.goes-on "the read is answered without an error" wait $stuck
device_del faulty 0

# Another medium under load: in force when `set` returns, and no request fails.
clock() { read -r up _ </proc/uptime; }
device_add raw 0 --size 64M --media /tmp/fixed-1000.toml --queues 2
fio --name=l --filename=/dev/ublkb0 --direct=1 --rw=randrw --bs=4k --ioengine=io_uring --iodepth=4 --thread \
    --size=64M --norandommap --time_based --runtime=10 --write_lat_log=/tmp/set >/tmp/fio.log 2>&1 &
load=$!
sleep 3
expect set.first "set --media fixed-5000" maprace device set 0 --media /tmp/fixed-5000.toml
sleep 2
for round in 1 2 3 4 5; do
    for us in 1000 5000; do
        clock
        start=$up
        maprace device set 0 --media /tmp/fixed-$us.toml >/dev/null 2>/tmp/set.err ||
            check "set.$round" fail "$(tail -n 1 /tmp/set.err)"
        clock
        figure set.seconds "$(echo "$up $start" | awk '{ printf "%.2f", $1 - $2 }')" s
    done
done
device_stats raw 0
expect set.load "the load ends without an error" wait $load
expect set.no-error "fio saw no error" sh -c '! grep -i error /tmp/fio.log'
# Of the last requests, and of some before the first change that come after the load's own beginning.
middle() { cut -d , -f 2 | sort -n | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)] / 1000 }'; }
figure set.before "$(head -n 2000 /tmp/set_clat.1.log | tail -n 400 | middle)" us
figure set.after "$(tail -n 400 /tmp/set_clat.1.log | middle)" us
device_del raw 0

# In the foreground: it tells that it is ready, serves, and takes the device along.
maprace device add --id 0 --size 64M --media ram --foreground --json >/out/foreground.json 2>/tmp/foreground.err &
served=$!
for look in $(seq 100); do
    grep -q pid /out/foreground.json && break
    sleep 0.1
done
expect foreground.serves "its block 0 is read" read_at 0
expect foreground.is-itself "the process that was started serves" \
    [ "$(value pid /out/foreground.json)" = $served ]
kill -TERM $served
expect foreground.ends "SIGTERM ends it with status 0" wait $served
expect foreground.gone "its node is gone" [ ! -e /dev/ublkb0 ]
expect foreground.list "no device is left" \
    sh -c 'maprace device list --json >/out/list.json && ! grep -q block_device /out/list.json'
