# Ours beside others in one boot, one after the other in each round, so that all share what disturbs them.

# fill DEVICE: what is read has been written.
fill() {
    fio --name=f --filename="$1" --direct=1 --rw=write --bs=256k --ioengine=psync --thread --size=64M \
        >/tmp/fio.log 2>&1 || check fill fail "$1: $(tail -n 1 /tmp/fio.log)"
}

# measure NAME DEVICE LOAD ENGINE DEPTH: mean latency and requests a second.
measure() {
    fio --name=j --filename="$2" --direct=1 --rw="$3" --bs=4k --ioengine="$4" --iodepth="$5" --thread \
        --size=64M --norandommap --randrepeat=1 --time_based --ramp_time=0.3 --runtime=1 \
        --output-format=terse --terse-version=3 2>/tmp/fio.log |
        awk -F ';' -v n="$1.$3.qd$5" -v w="$3" '/^3;/ { o = w == "randwrite" ? 41 : 0
            printf "FIGURE %s.mean %s us\nFIGURE %s.iops %s 1/s\n", n, $(40 + o), n, $(8 + o) }'
}

modload loop null_blk
dd if=/dev/zero of=/dev/shm/back bs=1M count=64 2>/dev/null
expect loop "a loop device on tmpfs" losetup /dev/loop0 /dev/shm/back
rublk add null -n 10 --quiet >/tmp/rublk.log 2>&1
expect peer "rublk's null device is there" [ -b /dev/ublkb10 ]
device_add null 0 --size 64M --media null
device_add raw 1 --size 64M --media ram
device_add fs 2 --size 64M --media ram --backend fs --order iomap
for device in /dev/ublkb1 /dev/ublkb2 /dev/loop0; do fill $device; done

for round in 1 2 3; do
    for pair in peer:/dev/ublkb10 null:/dev/ublkb0 raw:/dev/ublkb1 kernel-null:/dev/nullb0 loop:/dev/loop0 fs:/dev/ublkb2; do
        name=${pair%%:*}
        device=${pair#*:}
        [ -b "$device" ] || continue
        measure "$name" "$device" randread psync 1
        measure "$name" "$device" randread io_uring 32
        measure "$name" "$device" randwrite io_uring 32
    done
done
for id in 0 1 2; do device_del "end$id" $id; done
timeout 30 rublk del -n 10 >/dev/null 2>&1
