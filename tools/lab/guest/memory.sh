# What a large raw device costs: what was written, and little beside; discard gives it back.
device_add raw 0 --size 1T --media ram || exit 0
data=$(value data /out/raw.add.json)

# resident: KiB of the process and of the file behind the device; what is in both counts once.
resident() {
    local rss shared kept
    rss=$(awk '/^VmRSS/ { print $2 }' "/proc/$pid/status")
    shared=$(awk '/^RssShmem/ { print $2 }' "/proc/$pid/status")
    kept=$(du -k "$data" 2>/dev/null | cut -f 1)
    echo $((rss - shared + ${kept:-$shared}))
}
figure empty "$(resident)" KiB
fio --name=w --filename=/dev/ublkb0 --direct=1 --rw=randwrite --bs=256k --ioengine=psync --thread --size=1T \
    --io_size=256M --randrepeat=1 >/tmp/fio.log 2>&1 || check write fail "$(tail -n 1 /tmp/fio.log)"
device_stats raw 0
figure full "$(resident)" KiB
figure kept_full "$(du -k "$data" | cut -f 1)" KiB
expect discard "the whole device is discarded" timeout 600 blkdiscard /dev/ublkb0
figure kept_discarded "$(du -k "$data" | cut -f 1)" KiB
figure discarded "$(resident)" KiB
device_del raw 0
