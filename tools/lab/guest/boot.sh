# Whether this kernel comes up as the stages need it. $ublk: there or absent.
uname -r >/out/release
expect maprace "$(maprace --version 2>&1 | head -n 1)" maprace --version
if [ "$ublk" = there ]; then
    modload ublk_drv
    expect ublk "/dev/ublk-control is there" [ -c /dev/ublk-control ]
else
    expect ublk "there is no /dev/ublk-control" [ ! -e /dev/ublk-control ]
fi
figure uptime "$(cut -d ' ' -f 1 /proc/uptime)" s
