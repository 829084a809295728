# What is left behind by 200 devices that came and went.

# meminfo NAME: KiB.
meminfo() { awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo; }

device_add warm 0 --size 64M --media ram && device_del warm 0
before=$(left)
files=$(cut -f 1 /proc/sys/fs/file-nr)
memory=$(meminfo MemAvailable)
shared=$(meminfo Shmem)
failed=0
cycles=200
start=$(now)
for cycle in $(seq $cycles); do
    timeout 120 maprace device add --id 0 --size 64M --media ram >/dev/null 2>/tmp/err &&
        dd if=/dev/zero of=/dev/ublkb0 bs=64k count=4 oflag=direct 2>/dev/null &&
        timeout 120 maprace device del 0 >/dev/null 2>>/tmp/err || {
        failed=$((failed + 1))
        tail -n 1 /tmp/err
    }
done
expect cycles.failed "$failed of $cycles cycles failed" [ $failed -eq 0 ]
expect cycles.left "left: $(left); before: $before" [ "$(left)" = "$before" ]
figure cycles.open_files "$(($(cut -f 1 /proc/sys/fs/file-nr) - files))" files
figure cycles.memory_lost "$((memory - $(meminfo MemAvailable)))" KiB
# What is written to a device, mapped or not, is shared memory.
figure cycles.shared_left "$(($(meminfo Shmem) - shared))" KiB
figure cycles.seconds "$(since "$start")" s
