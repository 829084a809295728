# The device in short: a file system on it, verified, trimmed, checked. $variants: raw, fs or both.
for variant in $variants; do
    case $variant in
        raw) exercise raw ext4 randwrite --size 256M --media ram ;;
        fs) exercise fs ext4 randwrite --size 256M --media ram --backend fs --order iomap ;;
    esac
done
