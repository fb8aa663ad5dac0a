# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# Machines: containers without a network that systemd boots, each from a copy of build/system/base in build/system/NAME.
# To be sourced by bash, with `top` being the project's folder. They end with the shell.

# shellcheck disable=SC2154
work=$top/build/system
declare -A machines=() # systemd-nspawn's process of each that runs

# init_of NAME: its first process
init_of() {
        pgrep -P "${machines[$1]}"
}

# inside NAME COMMAND…: in the machine. It is not registered with machined, which may not run here.
inside() {
        local init

        init=$(init_of "$1") && nsenter -t "$init" -m -u -i -n -p -C -- "${@:2}"
}

# boot NAME HOST-NAME: a new one, with the packages and the tests in /tests
boot() {
        local root=$work/$1/root

        rm -rf "${work:?}/$1" && mkdir -p "$work/$1" && cp -a "$work/base" "$root" && mkdir "$root/tests" &&
                cp "$top"/tests/system/* "$top/debian/tests/tunnel" "$work"/pgrok_*.deb "$work"/previous.deb "$root/tests" || return
        echo "$2" >"$root/etc/hostname"
        power_on "$1"
}

power_on() {
        systemd-nspawn --quiet --register=no --keep-unit -D "$work/$1/root" --boot --private-network \
                </dev/null >"$work/$1/console" 2>&1 &
        machines[$1]=$!
        for _ in $(seq 600); do
                kill -0 "${machines[$1]}" || break
                case $(inside "$1" systemctl is-system-running 2>/dev/null) in
                running | degraded) return ;;
                esac
                sleep 0.1
        done
        cat "$work/$1/console"
        return 1
}

power_off() {
        kill -TERM "${machines[$1]}" 2>/dev/null
        wait "${machines[$1]}"
        unset "machines[$1]"
}

# destroy NAME
destroy() {
        power_off "$1"
        rm -rf "${work:?}/$1"
}

destroy_all() {
        local name

        for name in "${!machines[@]}"; do
                destroy "$name"
        done
}
trap destroy_all EXIT
