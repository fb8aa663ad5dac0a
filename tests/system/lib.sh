# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=sh
# For tests on a machine that systemd has booted: results as TAP, and waiting.

n=0 n_failed=0

# check NAME COMMAND…: one TAP line; what a failing COMMAND has said is shown below it
check() {
        name=$1
        shift
        n=$((n + 1))
        if output=$("$@" 2>&1); then
                echo "ok $n - $name"
        else
                n_failed=$((n_failed + 1))
                echo "not ok $n - $name"
                printf '%s\n' "$output" | sed 's/^/# /'
        fi
}

# until_true COMMAND…: for at most ten seconds
until_true() {
        for _ in $(seq 100); do
                "$@" >/dev/null 2>&1 && return
                sleep 0.1
        done
        "$@"
}

is() {
        [ "$1" = "$2" ] || { echo "$1, not $2"; return 1; }
}

has() {
        case $1 in *"$2"*) ;; *) echo "$1: no $2"; return 1 ;; esac
}

not() {
        ! "$@"
}

# mode FILE: "640 root:pgrok"
mode() {
        stat -c '%a %U:%G' "$1"
}

# property UNIT NAME
property() {
        systemctl show -P "$2" "$1"
}

logs() {
        journalctl --no-pager -n 60 -u pgrokd -u pgrok
}

# Ends the program, with the logs if a test has failed.
finish() {
        echo "1..$n"
        [ "$n_failed" = 0 ] && exit
        logs | sed 's/^/# /'
        exit 1
}
