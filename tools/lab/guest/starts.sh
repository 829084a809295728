# What is left behind by 50 devices whose start was cut off: nothing, once `gc` was there.

nothing=$(left)
# By themselves at each step, then at any time, with whoever waits for them. One that was ready by then
# could be recovered, and goes with `--all` only.
wrong=0
tries=0
after() {
    timeout 60 maprace device gc $2 >/tmp/gc 2>&1
    rc=$?
    tries=$((tries + 1))
    if [ $rc -ne 0 ] || [ "$(left)" != "$nothing" ]; then
        wrong=$((wrong + 1))
        echo "$1: gc ended with $rc ($(tail -n 1 /tmp/gc)), left: $(left)"
        timeout 60 maprace device del --all >/dev/null 2>&1
    fi
}
for step in spawned opened added fetching started calibrated usable listening ready; do
    for again in 1 2 3; do
        start=$(now)
        MAPRACE_DEVICE_DIE_AT=$step timeout 60 maprace device add --id 0 --size 64M --media ram >/dev/null 2>&1
        rc=$?
        [ $rc -ne 0 ] || { wrong=$((wrong + 1)); echo "$step: add said 0 for a process that died"; }
        [ $rc -ne 124 ] || { wrong=$((wrong + 1)); echo "$step: add did not end in a minute"; }
        figure killed.add "$(since "$start")" s
        after "$step"
    done
done
for kill in $(seq 23); do
    maprace device add --id 0 --size 64M --media ram >/dev/null 2>&1 &
    sleep "0.$(printf %03d $((kill * 25)))"
    kill -9 $(pidof maprace) 2>/dev/null
    wait
    after "kill $kill" --all
done
expect killed.left "$wrong of $tries starts that were killed left something, or hung" [ $wrong -eq 0 ]
figure killed.tries $tries starts
