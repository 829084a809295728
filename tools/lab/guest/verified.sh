# A million requests, each of them verified: small ones, blocks, blocks with flushes between, and a storm.

# verified NAME OPTION...: a load that reads back all that it wrote.
verified() {
    local name=$1
    shift
    expect "$name.done" "$*" sh -c "maprace load run $dev --verify $* --json >/out/$name.json"
}

device_add raw 0 --size 64M --media ram
# The smallest request that there is costs least of all, in time and in bytes to sum up: most are of that kind.
verified small --rw randrw --bs 512 --iodepth 64 --numjobs 2 --size 8M --number_ios 450k
verified blocks --rw randrw --bs 4k --iodepth 32 --number_ios 60k
verified flushed --rw rw --bs 4k --iodepth 16 --fsync 32 --fua 7 --number_ios 20k
verified storm --rw storm --bs 16k --iodepth 64 --number_ios 30k
device_stats raw 0
device_del raw 0
