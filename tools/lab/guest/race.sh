# The device world: a scenario's tasks as requests of a block device whose server is the modelled file system.

# race NAME ROUNDS OPTION...: /out/NAME.json is the verdict; 1 is damage, 3 none in these rounds.
race() {
    local name=$1 rounds=$2 code
    shift 2
    timeout 300 maprace --progress never explore "$@" --world device --rounds "$rounds" --json \
        >"/out/$name.json" 2>/tmp/race.err
    code=$?
    expect "$name.ran" "$*: exit code $code $(tail -n 1 /tmp/race.err)" [ $code -eq 1 -o $code -eq 3 ]
}

# pair BAD GOOD RUN OPTION...: until BAD is damaged; then GOOD over as many rounds, and $least of them.
pair() {
    local bad=$1 good=$2 run=$3 rounds
    shift 3
    race "$bad.$run" 40000 "$@" ${bad_options} --until-damage --seed "$run"
    rounds=$(value rounds "/out/$bad.$run.json")
    [ "${rounds:-0}" -gt "$least" ] || rounds=$least
    race "$good.$run" "$rounds" "$@" ${good_options} --seed "$run"
}

# The seed with a bitmap that has to be read, and with a third task.
maprace scenarios show mkwrite-fallocate | sed 's/^\[file\]/[fs]\nbitmaps = "cold"\n\n[file]/' >/tmp/cold.toml
expect cold.made "the seed with cold bitmaps" grep -q '^bitmaps = "cold"' /tmp/cold.toml
cp /tmp/cold.toml /tmp/three.toml
printf '\n[[task]]\nname = "third"\nops = ["read"]\n' >>/tmp/three.toml

before=$(left)
least=3000
for run in 1 2 3; do
    bad_options='--protocol v5.10' good_options='--protocol v6.11'
    pair seed.v5.10 seed.v6.11 $run mkwrite-fallocate
    pair write.iomap.v5.10 write.iomap.v6.11 $run write-mkwrite --order iomap
    bad_options='--order iomap' good_options='--order buffer_head'
    pair write.iomap.v6.8 write.buffer_head.v6.8 $run write-mkwrite --protocol v6.8
    race write.buffer_head.v5.10.$run $least write-mkwrite --order buffer_head --protocol v5.10 --seed $run
    race cold.$run 2000 /tmp/cold.toml --protocol v6.8 --media fixed:200us --seed $run
done

# Every scenario that requests express, with each kind of request among them: the newest release is clean.
ran=0
for scenario in $(maprace scenarios | awk '/^[a-z]/ { print $1 }'); do
    maprace --progress never explore "$scenario" --world device --order iomap --rounds 100 --json \
        >/out/all.json 2>/tmp/all.err
    code=$?
    [ $code -eq 2 ] && grep -q "is no request of a block device" /tmp/all.err && continue
    ran=$((ran + 1))
    [ $code -eq 3 ] && [ "$(value strays /out/all.json)" = 0 ] && [ "$(value rounds /out/all.json)" = 100 ] ||
        check "all.$scenario" fail "exit code $code $(tail -n 1 /tmp/all.err)"
done
expect all.ran "$ran scenarios of the catalogue, of 19" [ $ran -eq 19 ]

# Somebody else reads the device meanwhile, now and then in a task's place: that is counted, and no round is lost.
(while :; do dd if=/dev/ublkb0 of=/dev/null bs=4096 count=1 iflag=direct 2>/dev/null || sleep 0.1; done) &
other=$!
race others 1000 read-punch
kill $other
wait $other 2>/dev/null
expect others.rounds "all rounds were run" [ "$(value rounds /out/others.json)" = 1000 ]
expect others.strays "$(value strays /out/others.json) requests of others" [ "$(value strays /out/others.json)" -gt 0 ]

# Ctrl-C shows what there is so far.
maprace --progress never explore mkwrite-fallocate --world device --rounds 100000000 --json >/out/cut.json 2>/tmp/cut.err &
client=$!
for _ in $(seq 100); do
    [ -e /dev/ublkb0 ] && break
    sleep 0.1
done
sleep 2
kill -INT $client
wait $client
code=$?
expect cut.code "ended by Ctrl-C: exit code $code" [ $code -eq 3 ]
expect cut.left "left: $(left); before: $before" [ "$(left)" = "$before" ]

# Killed, it takes its device with it.
maprace --progress never explore mkwrite-fallocate --protocol v5.10 --world device --rounds 100000000 \
    >/dev/null 2>&1 &
client=$!
for _ in $(seq 100); do
    timeout 60 maprace device stats 0 2>/dev/null | grep -q "not cleared" && break
    sleep 0.1
done
expect killed.damaged "it has found damage before" \
    sh -c 'timeout 60 maprace device stats 0 | grep -q "not cleared"'
expect killed.device "there is a device to be left" [ -e /dev/ublkb0 ]
kill -9 $client
wait $client 2>/dev/null
for _ in $(seq 200); do
    [ "$(left)" = "$before" ] && break
    sleep 0.1
done
expect killed.left "left: $(left); before: $before" [ "$(left)" = "$before" ]

# What no block request expresses, and what there is not enough of, is one line.
refused() {
    local name=$1 word=$2 code
    shift 2
    maprace explore "$@" --world device >/dev/null 2>"/out/$name"
    code=$?
    expect "$name.code" "$* is refused with $code" [ $code -eq 2 ]
    expect "$name.line" "it says $word" grep -q "$word" "/out/$name"
    expect "$name.short" "in one line" [ "$(wc -l <"/out/$name")" -eq 1 ]
}
refused inexpressible "is no request of a block device" mkwrite-collapse
refused processors "more of them than there are processors" /tmp/three.toml
