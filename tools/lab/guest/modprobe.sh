#!/bin/sh
# What the kernel calls when it needs a module by itself: knows those of this image, by their own names.
while :; do case ${1:-} in -*) shift ;; *) break ;; esac; done
name=$(echo "${1#fs-}" | tr - _)
[ -e "/mod/$name.order" ] || exit 1
. /lab/functions.sh
modload "$name"
