# What a guest waits for beside what the profile says: fixed times, null_blk's timer, persistent memory.

# waits NAME DEVICE LOAD SECONDS [OPTION...]: the median of what each request took, sorted out of fio's log.
waits() {
    local name=$1 device=$2 rw=$3 seconds=$4
    shift 4
    rm -f /tmp/log_*
    fio --name=j --filename="$device" --direct=1 --rw="$rw" --bs=4k --ioengine=psync --thread --size=64M \
        --norandommap --randrepeat=1 --time_based --ramp_time=0.2 --runtime="$seconds" \
        --write_lat_log=/tmp/log "$@" >/tmp/fio.log 2>&1 || { check "$name" fail "$(tail -n 1 /tmp/fio.log)"; return; }
    cut -d , -f 2 /tmp/log_clat.1.log | sort -n |
        awk -v n="$name" '{ v[NR] = $1 } END { if (NR) {
            printf "FIGURE %s.p50 %.2f us\n", n, v[int((NR + 1) / 2)] / 1000
            printf "FIGURE %s.p99 %.2f us\n", n, v[int(NR * 0.99) + (NR < 100)] / 1000
            printf "FIGURE %s.requests %d requests\n", n, NR } }'
}

# What the boot has left to do ends first: it would be waited for, too.
sleep 2
modopt null_blk nr_devices=0
mkdir /sys/kernel/config/nullb/nullb0
cd /sys/kernel/config/nullb/nullb0 || exit 1
echo 0 >memory_backed; echo 64 >size; echo 4096 >blocksize; echo 2 >queue_mode
echo 2 >irqmode; echo 200000 >completion_nsec; echo 1 >submit_queues; echo 1 >power
cd /
timer=/dev/nullb0
expect timer "null_blk has its timer" [ -b $timer ]

for us in 200 1000 5000; do fixed $us; done
device_add "fixed-200" 0 --size 64M --media /tmp/fixed-200.toml
for round in 1 2 3; do
    waits fixed-200 /dev/ublkb0 randread 1
    waits timer-200 $timer randread 1
done
device_stats fixed-200 0
device_del fixed-200 0
for us in 1000 5000; do
    device_add "fixed-$us" 0 --size 64M --media "/tmp/fixed-$us.toml" || continue
    for round in 1 2 3; do waits "fixed-$us" /dev/ublkb0 randread 2; done
    device_del "fixed-$us" 0
done

# Faster than any machine: refused with what works, dilated, or taken as it is and labelled.
pmem=pmem-dcpmm100-6x
maprace device add --size 64M --media $pmem >/dev/null 2>/out/refused
rc=$?
expect pmem.refused "refused with status $rc: $(tail -n 1 /out/refused)" [ $rc -ne 0 ]
expect pmem.says "with the floor, --dilate auto and --floor-limited" \
    sh -c 'grep -q floor /out/refused && grep -q -e "--dilate auto" /out/refused && grep -q -e --floor-limited /out/refused'
cat >/tmp/asked.toml <<P
name = "asked"
base = "$pmem"
P
for op in read write write-flush; do
    cat >>/tmp/asked.toml <<P

[[expect]]
measure = "p50_us"
op = "$op"
target = 1
tol = 0.1
known = "memory"
source = "asked for the model's own figure"
P
done
maprace media check /tmp/asked.toml --json >/out/profile.json 2>/tmp/err || tail -n 1 /tmp/err
if device_add pmem 0 --size 64M --media $pmem --dilate auto; then
    for round in 1 2 3; do
        waits pmem.read /dev/ublkb0 randread 1
        waits pmem.write /dev/ublkb0 randwrite 1
        # What a flush adds is a figure of its own in fio.
        fio --name=j --filename=/dev/ublkb0 --direct=1 --rw=randwrite --bs=4k --ioengine=psync --thread \
            --size=64M --norandommap --randrepeat=1 --time_based --runtime=1 --fsync=1 \
            --output-format=json --output="/out/pmem.flush.$round.json" >/dev/null 2>&1
    done
    device_stats pmem 0
    device_del pmem 0
fi
if device_add limited 0 --size 64M --media $pmem --floor-limited; then
    waits limited /dev/ublkb0 randread 0.5
    device_stats limited 0
    device_del limited 0
fi
