//! The longer parts of the help: examples and exit codes of each command.

/// What the program is, at the head of its help.
pub(crate) const ABOUT: &str = "\
Tries every order of two or more tasks on a modelled file system, and shows what goes wrong.

A write must both look up where a block lives and lock the page that holds it. maprace holds a small
model of ext4's extent layer and of both orders in which Linux does that, with the locking of several
releases, and explores every schedule up to equivalence. Without a command it compares the three pairs
of the seed: mkwrite-fallocate, write-mkwrite, write-fallocate.";

/// Without a command.
pub(crate) const MAIN: &str = "\
Examples:
  maprace                                              the first screen
  maprace explore mkwrite-fallocate --protocol v6.8    one scenario, with its diagram
  maprace ablate mkwrite-fallocate                     which protections does it need?
  maprace explain mkwrite-fallocate                    which locks, held where?
  maprace compare mkwrite-fallocate --world virtual    how long is the window, how often is it hit?
  maprace hunt --protocol v5.10                        races nobody wrote a scenario for
  maprace compare ./mine.toml --protocol v6.8 --protocol v6.11
  maprace scenarios show stale-map > mine.toml         a scenario to start from
  maprace load run media:nvme-tlc-dc --rw randread     a medium under load

Exit codes: those of `compare`: 0 every verdict is as its scenario expects or nothing is expected,
1 one is not, 2 bad input or could not run, 3 not all was tried.";

/// `compare`.
pub(crate) const COMPARE: &str = "\
Examples:
  maprace compare                                      explored, in virtual time, on threads
  maprace compare --world explore                      nothing is measured
  maprace compare stale-map --order iomap --set cookie=off
  maprace compare mkwrite-fallocate ./mine.toml --protocol v6.8 --protocol v6.12
  maprace compare mkwrite-fallocate --world virtual --media nvme-tlc-dc,fixed:10us,instant
  maprace compare --workload w=8,m=8,r=8,file=64m,hit=0.9 --protocol v6.12 --protocol exclusive
  maprace compare write-mkwrite --order iomap --sweep folios=1,4,16,64
  maprace compare mkwrite-fallocate --protocol v6.8 --sweep offset=-5us..0/10ns --csv windows.csv
  maprace compare --world virtual --rounds 1000000 --state half.jsonl --resume
  maprace compare --json --no-timing > rows.json       without threads: the same bytes every time
  maprace compare --report report.html                 a page for a browser, one file
  maprace compare write-mkwrite --world device         on a block device (root, ublk)

A scenario is measured in rounds: its tasks start at times drawn evenly from 0 to as long as the
slowest of them takes alone. Workloads and sweeps run in virtual time only.

Exit codes: 0 every verdict is as its scenario expects or nothing is expected, 1 one is not,
2 bad input or could not run, 3 not all was tried or measured.";

/// `explore`.
pub(crate) const EXPLORE: &str = "\
Examples:
  maprace explore mkwrite-fallocate --protocol v6.8
  maprace explore stale-map --order iomap --set cookie=late
  maprace explore ./mine.toml --engine random --seed 7 --budget 100000
  maprace explore write-mkwrite --order iomap --json --no-timing
  maprace explore ./large.toml --protocol v6.8 --shrink-to small.toml
  maprace explore stale-map --order iomap --set cookie=off --report report.html --trace trace.json
  maprace explore mkwrite-fallocate --protocol v5.10 --world device --until-damage

Engines: auto searches with few preemptions for a first bug, then proves with dpor, then with states
when dpor's budget ends. naive, dpor and states try everything; icb goes by preemptions; random and
pct draw schedules and prove nothing.

With --world device (root, ublk) each task is io_uring requests on a queue of its own of a block device
whose server is the modelled file system: read and mmap_read are READ; write, mmap_write and dio_write
WRITE; fallocate and zero_range WRITE_ZEROES; punch_hole DISCARD; fsync FLUSH. Nothing else can be sent.

Exit codes: 0 complete and no damage, 1 damage, 2 bad input or could not run, 3 no damage found and
not all was tried, which no number of rounds on a device is.";

/// `ablate`.
pub(crate) const ABLATE: &str = "\
Examples:
  maprace ablate mkwrite-fallocate
  maprace ablate write-mkwrite --protocol v6.12 --order iomap
  maprace ablate stale-map --order iomap

Exit codes: those of `explore` for the protocol as it is, before anything is taken away; 3 also if one
of the searches is incomplete.";

/// `explain`.
pub(crate) const EXPLAIN: &str = "\
Examples:
  maprace explain mkwrite-fallocate
  maprace explain mkwrite-fallocate --protocol v6.8
  maprace explain write-mkwrite --order iomap --json

The tables are of runs without interruption: each task alone, or after the others where alone it has
next to nothing to do. Then, for every two tasks, the locks that both hold where their order can matter,
and the steps that no lock keeps apart; then what the search says, and which knob protects or would.

Exit codes: those of `explore` for the configuration as it is; 3 also if one of the other searches is
incomplete.";

/// `hunt`.
pub(crate) const HUNT: &str = "\
Examples:
  maprace hunt --protocol v5.10
  maprace hunt --protocol v6.12 --set cookie=on
  maprace hunt --ops write,mmap_write,zero_range --order iomap --blocks 3
  maprace hunt --thorough --budget 20000000 --save ./found

Every pair of operations is explored over small files and many initial states, small ones first. The
order is iomap and buffer_head unless --order names one, and in iomap order every cookie unless --set
names one. What is damaged is sorted by the single knob whose turning makes it safe.

Exit codes: 0 everything was tried and nothing is damaged, 1 damage, documented or not, 2 bad input or
could not run, 3 no damage found and not all was tried.";

/// `replay`.
pub(crate) const REPLAY: &str = "\
Examples:
  maprace replay mkwrite-fallocate --protocol v6.8 --schedule \"fault 4, fallocate *, fault *\"
  maprace replay mkwrite-fallocate --protocol v6.8 --schedule \"fault ..ext4_es_lookup_extent\" --diagram
  maprace replay mkwrite-fallocate --protocol v6.8 --schedule \"fault 4\" --exact > found.txt
  maprace replay mkwrite-fallocate found.txt --protocol v6.12

A schedule names tasks and how far each runs: `fault 4` four steps, `fault *` until it ends or must
wait, `fault ..STEP` through its next step of that name, `fault: STEP` one step, which must have that
name. When its items are used up, the tasks that are left run to their ends, one after the other. The
headers of a file say what it belongs to; what is typed comes before them.

Exit codes: 0 the run does no damage, 1 it does, 2 bad input, or the run is not the one the schedule
describes.";

/// `scenarios`.
pub(crate) const SCENARIOS: &str = "\
Examples:
  maprace scenarios
  maprace scenarios show mkwrite-fallocate
  maprace scenarios show stale-map > mine.toml && maprace explore ./mine.toml

Exit codes: 0, or 2 if there is no such scenario.";

/// `media`.
pub(crate) const MEDIA: &str = "\
Examples:
  maprace media
  maprace media show nvme-tlc-dc > mine.toml           a profile to start from
  maprace media check --all
  maprace media check ./mine.toml --json
  maprace media plot pmem-dcpmm100-6x --out pmem.svg

`check` runs the model in virtual time and compares it with the figures that the profile expects, with
its closed form, and with the log-normal distribution it draws from.

Exit codes: 0 done, and of `check` every asserted row is within its tolerance, 1 one is not, 2 bad
input or it could not be written.";

/// `costs`.
pub(crate) const COSTS: &str = "\
Examples:
  maprace costs
  maprace costs show linux-x86 > mine.toml             a table to start from
  maprace costs check --all
  maprace costs check ./mine.toml --json

A table says what each step of the model costs in nanoseconds of processor time, and where each number
comes from. `check` shows which steps are left to the default, and what usual operations come to.

Exit codes: 0, or 2 if a table cannot be used.";

/// `calibrate`.
pub(crate) const CALIBRATE: &str = "\
Examples:
  maprace calibrate --output mine.toml
  maprace calibrate --rounds 100 --output mine.toml --force
  maprace calibrate | less

The built-in scenarios are run in the simulation and each step is timed; its price is the median, less
what the clock costs. These are costs of the model, not of a kernel.

Exit codes: 0, or 2 if the table cannot be written or Ctrl-C ended it; then no file is.";

/// `device`, and those of its commands that need no examples of their own.
pub(crate) const DEVICE: &str = "\
Examples:
  maprace device doctor                                what is in the way?
  maprace device add --media nvme-tlc-dc --size 8G     /dev/ublkb0, say
  maprace device list
  maprace device stats 0 --watch 1
  maprace device set 0 --media hdd-7200                while it is used
  maprace device fault 0 bad 1M..2M --until-written
  maprace device recover --all                         processes have died: go on
  maprace device del 0
  maprace device gc                                    remove what dead processes left

Devices need Linux 6.5 or newer with the module ublk_drv, and root. The registry is /run/maprace, for
others $XDG_RUNTIME_DIR/maprace, or MAPRACE_RUN_DIR.

Exit codes: 0 done, and of `doctor` all is well, 1 `doctor` found something, 2 bad input or it could
not be done.";

/// `device add`.
pub(crate) const DEVICE_ADD: &str = "\
Examples:
  maprace device add                                   1 GiB of memory, no latency
  maprace device add --media nvme-tlc-dc --size 64G
  maprace device add --media ./mine.toml --data /var/tmp/disk.img --size 1T
  maprace device add --media pmem-dcpmm100-6x --dilate auto
  maprace device add --media null --queues 4           what does the way alone cost?
  maprace device add --media nvme-tlc-dc --backend fs --order iomap --protocol v6.8
  maprace device add --media hdd-7200 --foreground     until Ctrl-C

When it is added, it is measured what this machine takes at least: its floor. A medium that is faster is
refused, unless its time is made to pass slower (--dilate) or --floor-limited takes it as it is. An fs
device starts empty, with blocks of 4096 bytes, and cannot be recovered.

Exit codes: 0 it can be used, 2 bad input or it could not be had; then nothing of it is left.";

/// `device fault`.
pub(crate) const DEVICE_FAULT: &str = "\
Examples:
  maprace device fault 0 bad 1M..2M                    reads of these bytes fail with EIO
  maprace device fault 0 bad 0..4K --until-written     until they are written
  maprace device fault 0 rate 0.001 --on write
  maprace device fault 0 stick 1G..                    what touches them hangs
  maprace device fault 0 release                       and goes on
  maprace device fault 0 list --json
  maprace device fault 0 clear

Whether a request fails by chance depends on the device's seed alone. Faults end with the device's
process.

Exit codes: 0 done, 2 bad input or it could not be done.";

/// `load`.
pub(crate) const LOAD: &str = "\
Examples:
  maprace load run /dev/ublkb0 --rw randread --bs 4k --iodepth 32 --runtime 30
  maprace load run null: --rw randread --runtime 3     how fast is the generator itself?
  maprace load run media:nvme-tlc-dc --rw randrw --iodepth 8 --number_ios 1M
  maprace load run ./file --rw randwrite --size 1G --verify
  maprace load verify /dev/ublkb0 --ack-log acks       after a crash
  maprace load compare A.json B.json --aa A2.json

Exit codes: those of `load run`, `load verify` and `load compare`; their help tells them.";

/// `load run`.
pub(crate) const LOAD_RUN: &str = "\
Examples:
  maprace load run /dev/ublkb0 --rw=randread --bs=4k --iodepth=32 --runtime=30 --ramp_time=5
  maprace load run /dev/ublkb0 --rw=randrw --rwmixread=70 --rate_iops=20k --rate_process=poisson \\
                   --iodepth=256 --runtime=60       at this rate, whatever is answered
  maprace load run /dev/ublkb0 --rw=storm --iodepth=16 --runtime=10 --verify
  maprace load run /dev/ublkb0 --rw=randwrite --fsync=32 --ack-log=acks --runtime=600
  maprace load run ./file --rw=randwrite --size=1G --ioengine=psync --direct=0
  maprace load run media:pmem-dcpmm100-6x --rw=randread --number_ios=1M
  maprace load run null: --rw=randread --iodepth=1 --runtime=3
  maprace load run /dev/sdx --rw=randwrite --runtime=10 --destroys=/dev/sdx
  maprace load run /dev/ublkb0 --rw=randread --runtime=10 --json >> A.json

Flags are named as fio names them; _ and - are the same. TARGET is a block device, a file, null: or
media:PROFILE, in virtual time. Without --runtime and --number_ios the size is gone through once. With
--rate_iops the loop is open: latency counts from when each request was to begin. Ctrl-C lets what is
in flight finish and prints the result so far.

Exit codes: 0 done, 1 requests failed or bytes were wrong, 2 bad input, refused or it could not run,
3 Ctrl-C ended it early.";

/// `load verify`.
pub(crate) const LOAD_VERIFY: &str = "\
Examples:
  maprace load run /dev/ublkb0 --rw=randwrite --fsync=32 --ack-log=acks --runtime=600
  (a crash, or a power cut)
  maprace load verify /dev/ublkb0 --ack-log=acks

What was acknowledged and flushed, or written with FUA, must be there, or something newer. What was only
acknowledged may be missing from a volatile cache; it is counted apart.

Exit codes: 0 nothing is lost, 1 something is, 2 bad input or it could not be read.";

/// `load compare`.
pub(crate) const LOAD_COMPARE: &str = "\
Examples:
  for i in 1 2 3 4 5 6 7 8 9 10; do
    maprace load run /dev/ublkb0 --rw=randread --runtime=10 --json >> A.json
    maprace load run /dev/ublkb1 --rw=randread --runtime=10 --json >> B.json
    maprace load run /dev/ublkb0 --rw=randread --runtime=10 --json >> A2.json
  done
  maprace load compare A.json B.json --aa A2.json

Runs are paired in their order. A winner is named only if the 95 % interval of the ratio leaves 1 out and
the ratio is larger than what the A/A run differs by.

Exit codes: 0 compared, whatever the result, 2 bad input.";

/// `layers`.
pub(crate) const LAYERS: &str = "\
Examples:
  maprace layers

A layer of your own: copy crates/maprace-cli/examples/own_layer.

Exit codes: 0.";

/// `protocols`.
pub(crate) const PROTOCOLS: &str = "\
Examples:
  maprace protocols
  maprace explore mkwrite-fallocate --protocol v6.12 --set recheck=off

Exit codes: 0.";

/// `completions`.
pub(crate) const COMPLETIONS: &str = "\
Examples:
  maprace completions bash > ~/.local/share/bash-completion/completions/maprace
  maprace completions zsh > ~/.zfunc/_maprace
  maprace completions fish > ~/.config/fish/completions/maprace.fish

Exit codes: 0, or 2 for an unknown shell.";

/// `man`.
pub(crate) const MAN: &str = "\
Examples:
  maprace man | man -l -
  maprace man --dir ~/.local/share/man/man1

Exit codes: 0, or 2 if the directory cannot be written.";
