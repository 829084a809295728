# What guest scripts may use. `check` and `figure` are read by the stage's judge on the host.

# modload NAME...: loads modules with what they need; one that is built in, or loaded, is no error.
modload() {
    local name file module
    for name in "$@"; do
        [ -e "/mod/$name.order" ] || { echo "modload: $name is not in this image" >&2; return 1; }
        while read -r file; do
            module=$(echo "${file%.ko}" | tr - _)
            [ -d "/sys/module/$module" ] || insmod "/mod/$file" || return
        done <"/mod/$name.order"
    done
    mount_configfs
}

# mount_configfs: it may be a module itself, which came with another.
mount_configfs() {
    [ ! -d /sys/kernel/config ] || grep -q ' /sys/kernel/config ' /proc/mounts ||
        mount -t configfs none /sys/kernel/config 2>/dev/null || true
}

# modopt NAME OPTION=VALUE...: loads one module with options.
modopt() {
    local name=$1 file last
    shift
    last=$(tail -n 1 "/mod/$name.order")
    head -n -1 "/mod/$name.order" >/tmp/modopt.order
    while read -r file; do
        [ -d "/sys/module/$(echo "${file%.ko}" | tr - _)" ] || insmod "/mod/$file" || return
    done </tmp/modopt.order
    mount_configfs
    insmod "/mod/$last" "$@"
}

# check NAME ok|fail|skip TEXT...
check() { echo "CHECK $*"; }

# expect NAME TEXT COMMAND...: a check that passes when the command does.
expect() {
    local name=$1 text=$2 rc
    shift 2
    if "$@" >/tmp/expect.log 2>&1; then
        check "$name" ok "$text"
    else
        rc=$?
        tail -n 5 /tmp/expect.log
        check "$name" fail "$text: \`$*\` ended with $rc: $(tail -n 1 /tmp/expect.log)"
        return $rc
    fi
}

# figure NAME VALUE UNIT
figure() { echo "FIGURE $*"; }

# skip REASON...: ends the script; the run counts as skipped.
skip() {
    echo "LAB-SKIP $*"
    exit 0
}
