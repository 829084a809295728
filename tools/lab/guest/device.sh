# What the device's scripts share. A script sets nothing of this; it calls it.

dmesg -n 4
modload ublk_drv || exit 1

# value NAME FILE: the first value of this name in JSON that has one on each line.
value() { sed -n "s/^ *\"$1\": \"\{0,1\}\([^\",]*\)\"\{0,1\},\{0,1\}\$/\1/p" "$2" | head -n 1; }

# now: seconds since the boot.
now() { cut -d ' ' -f 1 /proc/uptime; }

# since START: seconds since then.
since() { echo "$(now) $1" | awk '{ printf "%.2f", $1 - $2 }'; }

# left: what devices can leave behind, counted.
left() {
    echo "nodes=$(ls /dev | grep -c -e 'ublk[bc]') sysfs=$(ls /sys/class/ublk-char 2>/dev/null | wc -l)" \
        "disks=$(ls /sys/block | grep -c ublkb) processes=$(pidof maprace | wc -w)" \
        "files=$(find /run/maprace /dev/shm -type f ! -name lock 2>/dev/null | wc -l)" \
        "sockets=$(find /run/maprace -type s 2>/dev/null | wc -l)"
}

# fixed US: writes the profile /tmp/fixed-US.toml: every request takes so many us, 64 of them at once.
fixed() {
    cat >"/tmp/fixed-$1.toml" <<P
name = "fixed-$1"
title = "every request takes $1 us"

[geometry]
units = 64

[read]
lat_ns = { rand = ${1}000, seq = ${1}000 }

[write]
lat_ns = { rand = ${1}000, seq = ${1}000 }
P
}

# device_add NAME ID OPTION...: $dev is its node, $pid its process, /out/NAME.add.json what it said.
device_add() {
    local name=$1 id=$2
    shift 2
    dev=/dev/ublkb$id
    if timeout 120 maprace device add --id "$id" "$@" --json >"/out/$name.add.json" 2>/tmp/add.err &&
        [ -b "$dev" ]; then
        pid=$(value pid "/out/$name.add.json")
        check "$name.add" ok "$*: floor of a read $(value read_ns "/out/$name.add.json") ns"
    else
        check "$name.add" fail "$*: $(tail -n 1 /tmp/add.err)"
        return 1
    fi
}

# device_stats NAME ID: into /out/NAME.stats.json
device_stats() {
    expect "$1.stats" "the device tells what it counted" \
        sh -c "timeout 60 maprace device stats $2 --json >/out/$1.stats.json"
}

# device_del NAME ID: the device goes, and its node with it.
device_del() {
    expect "$1.del" "the device is deleted" timeout 120 maprace device del "$2" &&
        expect "$1.gone" "its node is gone" [ ! -e "/dev/ublkb$2" ]
}

# exercise NAME FILESYSTEM LOAD OPTION...: a file system on a device: verified load, trim, check.
exercise() {
    local name=$1 fs=$2 rw=$3
    shift 3
    device_add "$name" 0 "$@" || return
    count_begin "$name"
    case $fs in
        ext4) expect "$name.mkfs" "mkfs.ext4" mkfs.ext4 -q -F "$dev" ;;
        xfs) expect "$name.mkfs" "mkfs.xfs" mkfs.xfs -q -f "$dev" ;;
    esac
    if expect "$name.mount" "mount as $fs" mount -t "$fs" "$dev" /mnt; then
        expect "$name.verify" "fio $rw, verified by crc32c" \
            fio --name=v --directory=/mnt --size="${load_size:-8M}" --bs=4k --rw="$rw" --ioengine=psync \
            --thread --fsync=64 --verify=crc32c --verify_fatal=1 --verify_state_save=0 --randrepeat=1
        expect "$name.trim" "fstrim" fstrim /mnt
        expect "$name.umount" "umount" umount /mnt
    fi
    case $fs in
        ext4) expect "$name.fsck" "e2fsck -fn" e2fsck -fn "$dev" ;;
        xfs) expect "$name.fsck" "xfs_repair -n" xfs_repair -n "$dev" ;;
    esac
    count_end "$name"
    device_stats "$name" 0
    device_del "$name" 0
}

# count_begin NAME, count_end NAME: hooks around the load, for scripts that count it.
count_begin() { :; }
count_end() { :; }
