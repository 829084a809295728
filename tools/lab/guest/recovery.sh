# A device whose process is killed under verified load goes on where it was: no error, no byte lost.
# Requests wait for a medium, so that there are always sixteen in flight that have to come again.
kills=20
fixed 5000
device_add raw 0 --size 256M --media /tmp/fixed-5000.toml --queues 2
for kill in $(seq $kills); do
    fio --name=k --filename=/dev/ublkb0 --direct=1 --rw=randwrite --bs=4k --ioengine=io_uring --iodepth=16 \
        --thread --offset=$((kill * 8 % 224))M --size=16M --verify=crc32c --verify_fatal=1 \
        --verify_backlog=512 --verify_state_save=0 --randseed="$kill" >/tmp/fio.log 2>&1 &
    load=$!
    # Not always at the same point of the load, which writes and reads in turn.
    sleep "$((1 + kill % 2)).$((kill * 7 % 10))"
    loaded=no
    kill -0 $load 2>/dev/null && loaded=yes
    start=$(now)
    kill -9 "$pid"
    if timeout 60 maprace device recover 0 --json >/tmp/recover.json 2>/tmp/recover.err &&
        timeout 60 dd if=/dev/ublkb0 of=/dev/null bs=4k count=1 iflag=direct 2>/dev/null; then
        figure recover.seconds "$(since "$start")" s
        pid=$(value pid /tmp/recover.json)
    else
        check "recover.$kill" fail "$(tail -n 1 /tmp/recover.err)"
        kill $load
        break
    fi
    wait $load
    rc=$?
    if [ $loaded = yes ] && [ $rc -eq 0 ]; then
        echo "kill $kill: load went on and verified"
        figure recover.verified 1 kills
    else
        check "load.$kill" fail "loaded when killed: $loaded; fio ended with $rc: $(grep -i -m 1 -e error -e verify /tmp/fio.log)"
    fi
done
device_stats raw 0
device_del raw 0
