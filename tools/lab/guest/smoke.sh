# The device in short: a file system on it, verified, trimmed, checked. $variants: raw, fs or both.
for variant in $variants; do
    case $variant in
        raw) exercise raw ext4 randwrite --size 256M --media ram ;;
        fs) exercise fs ext4 randwrite --size 256M --media ram --backend fs --order iomap ;;
    esac
done

# A scenario as requests of a device: every request comes to its task, and the fix leaves nothing.
if timeout 120 maprace --progress never explore mkwrite-fallocate --world device --protocol v6.11 \
    --rounds 200 --json >/out/rounds.json 2>/tmp/rounds.err; then code=0; else code=$?; fi
expect rounds.ran "200 rounds on a device: exit code $code $(tail -n 1 /tmp/rounds.err)" [ $code -eq 3 ]
