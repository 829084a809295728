#!/bin/busybox sh
# The guest's first process: mounts what programs expect, runs /run.sh, hands back its status and files.
# Kernel messages go to the first serial port, all that scripts print to the second: neither cuts the
# other's lines. Lines that begin with LAB- are the lab's own.
/bin/busybox mkdir -p /bin /sbin
/bin/busybox --install -s /bin
export PATH=/lab/bin:/bin:/sbin:/usr/bin:/usr/sbin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mkdir -p /dev/shm /dev/pts
mount -t tmpfs tmp /dev/shm
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
mount -t devpts pts /dev/pts 2>/dev/null
mount -t tracefs none /sys/kernel/tracing 2>/dev/null
ln -sf /proc/self/mounts /etc/mtab
ip link set lo up 2>/dev/null
stty -F /dev/ttyS1 raw -echo 2>/dev/null
exec </dev/null >/dev/ttyS1 2>&1
# What scripts may use.
. /lab/functions.sh
mount_configfs
read -r up _ </proc/uptime
echo "LAB-BEGIN kernel=$(uname -r) cpus=$(nproc) uptime=$up"
for m in $(cat /lab/load); do modload "$m"; done
if [ -e /lab/interactive ]; then
    export ENV=/lab/functions.sh
    setsid cttyhack sh -c '. /lab/interactive; exec sh -i' </dev/ttyS0 >/dev/ttyS0 2>&1
    rc=$?
else
    (. /run.sh)
    rc=$?
fi
dmesg | grep -E 'BUG:|Oops|Call Trace|hung task|blocked for more than|general protection|Kernel panic' |
    head -n 20 | sed 's/^/LAB-ALARM /'
if [ -e /lab/out ] && [ -n "$(ls -A /out)" ]; then
    modload virtio_pci virtio_blk
    sync
    if [ -b /dev/vda ]; then
        tar -cf - -C /out . | dd of=/dev/vda bs=1M iflag=fullblock conv=fsync 2>/dev/null ||
            echo "LAB-LOST the files of /out did not fit"
    else
        echo "LAB-LOST the files of /out: this kernel shows no virtio disk"
    fi
fi
read -r up _ </proc/uptime
sync
echo "LAB-END rc=$rc uptime=$up"
# What was written has to leave the serial port before the machine goes.
sleep 0.1
poweroff -f
