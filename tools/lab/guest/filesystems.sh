# Real file systems on raw and modelled devices, and what the kernel says it sent beside what was counted.
trace=/sys/kernel/tracing
load_size=16M
# No time, but a cache that can be lost, and writes through it: so that the kernel sends flushes and FUA.
cat >/tmp/cached.toml <<'P'
name = "cached"
title = "no time, a volatile cache, native FUA"
base = "null"

[flush]
volatile = true
fua_native = true

[persist]
domain = "volatile-cache"
P

# Field 16 of a disk's stat: flushes that the driver was asked for.
kernel_flushes() { awk '{ print $16 }' "/sys/block/${dev#/dev/}/stat"; }

count_begin() {
    local number
    number=$(cat "/sys/block/${dev#/dev/}/dev")
    maprace device stats 0 --json >"/out/$1.before.json"
    flushes=$(kernel_flushes)
    echo 4096 >$trace/buffer_size_kb
    echo "dev == $((${number%:*} << 20 | ${number#*:})) && rwbs ~ \"*WF*\"" \
        >$trace/events/block/block_rq_issue/filter
    echo >$trace/trace
    echo 1 >$trace/events/block/block_rq_issue/enable
}

count_end() {
    sync
    echo 0 >$trace/events/block/block_rq_issue/enable
    figure "$1.kernel_flushes" "$(($(kernel_flushes) - flushes))" requests
    figure "$1.kernel_fua" "$(grep -c block_rq_issue: $trace/trace)" requests
    figure "$1.trace_lost" "$(awk '/^overrun/ { n += $2 } END { print n + 0 }' FS=': ' \
        $trace/per_cpu/cpu*/stats)" requests
}

for fs in ext4 xfs; do
    exercise "$fs.raw" "$fs" randrw --size 512M --media /tmp/cached.toml --floor-limited
    exercise "$fs.iomap" "$fs" randrw --size 512M --media ram --backend fs --order iomap
    exercise "$fs.buffer_head" "$fs" randrw --size 512M --media ram --backend fs --order buffer_head
done
