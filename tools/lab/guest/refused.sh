# A kernel without ublk: the device is refused in one line that names the module, and nothing is left.
maprace device add --size 64M --media ram >/tmp/out 2>/out/refused
rc=$?
expect exit "exit status 2, and it was $rc" [ "$rc" -eq 2 ]
expect line "one line that names ublk_drv: $(head -n 1 /out/refused)" grep -q ublk_drv /out/refused
expect node "no node is left" sh -c '! ls /dev/ublk* 2>/dev/null'
maprace device doctor --json >/out/doctor.json 2>&1
expect doctor "doctor names the module too" grep -q ublk_drv /out/doctor.json
