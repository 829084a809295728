# `maprace load` beside fio: the same job on the same device, in turns.

# by_fio NAME DEVICE LOAD SIZE DEPTH: requests a second, and what one costs the processor.
by_fio() {
    fio --name=j --filename="$2" --direct=1 --rw="$3" --bs="$4" --iodepth="$5" --ioengine=io_uring \
        --registerfiles=1 --fixedbufs=1 --thread --size=64M --norandommap --randrepeat=1 --time_based \
        --ramp_time=0.1 --runtime=0.5 --output-format=terse --terse-version=3 2>/tmp/fio.log |
        awk -F ';' -v n="$1" -v w="$3" '/^3;/ { o = w ~ /write/ ? 41 : 0; requests = $(6 + o) / ("'"$4"'" + 0)
            printf "FIGURE fio.%s.iops %s 1/s\nFIGURE fio.%s.cpu %.0f ns\n", n, $(8 + o), n,
                ($88 + $89) / 100 * $(9 + o) * 1e6 / requests }'
}

# by_ours: the same.
by_ours() {
    maprace load run "$2" --rw="$3" --bs="$4" --iodepth="$5" --size=64M --ramp_time=0.1 --runtime=0.5 \
        --destroys "$2" --json >/tmp/load.json 2>/tmp/load.err ||
        { check "$1" fail "$(tail -n 1 /tmp/load.err)"; return; }
    echo "FIGURE load.$1.iops $(value iops /tmp/load.json) 1/s"
    echo "FIGURE load.$1.cpu $(value cpu_ns_per_io /tmp/load.json) ns"
}

modopt brd rd_nr=1 rd_size=65536
expect brd "a device in memory of the kernel's" [ -b /dev/ram0 ]
dd if=/dev/zero of=/dev/ram0 bs=1M 2>/dev/null
device_add null 0 --size 64M --media null
# What the boot has left to do ends first.
sleep 2
for round in 1 2 3 4 5 6 7 8 9 10; do
    for target in null:/dev/ublkb0 brd:/dev/ram0; do
        name=${target%%:*}
        device=${target#*:}
        for job in randread:4k:1 randwrite:4k:1 randread:4k:32 randwrite:4k:32 read:128k:1 write:128k:1; do
            set -- $(echo "$job" | tr : ' ')
            by_fio "$name.$1.qd$3" "$device" "$1" "$2" "$3"
            by_ours "$name.$1.qd$3" "$device" "$1" "$2" "$3"
        done
    done
done
device_del end 0
