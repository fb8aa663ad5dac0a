# SPDX-License-Identifier: LGPL-2.1-or-later
# shellcheck shell=bash
# What tools/check and tools/demo share. To be sourced by bash, with `top` being the project's folder.

# Debian packages: to build, for the demo, to test, to fuzz, for tests/system.
build_packages=(build-essential autoconf automake pkg-config xz-utils libsystemd-dev libgnutls28-dev
        libconfig-dev libjson-c-dev libuv1-dev libmicrohttpd-dev libcurl4-gnutls-dev uthash-dev
        libncurses-dev libcrypt-dev zlib1g-dev libbrotli-dev)
demo_packages=(python3 curl)
test_packages=(libcmocka-dev python3-pytest python3-pytest-xdist curl openssl netcat-openbsd python3-websockets
        openssh-client openssh-server postgresql prometheus procps mandoc groff certbot pebble
        git jq iproute2 nginx haproxy chromium libnss3-tools wrk tmux)
test_packages+=(chromium-driver python3-selenium)
fuzz_packages=(clang)
package_packages=(lintian piuparts)
system_packages=(debhelper dpkg-dev fakeroot bash-completion systemd groff mandoc libcmocka-dev mmdebstrap
        systemd-container iproute2)

say() {
        printf '\n== %s\n' "$*"
}

die() {
        printf '%s\n' "$*" >&2
        exit 1
}

missing_packages() {
        local package

        for package; do
                dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed ||
                        echo "$package"
        done
}

as_root() {
        if [ "$(id -u)" = 0 ]; then
                "$@"
        else
                sudo -n "$@"
        fi
}

# install_packages PACKAGE…: with apt, only if one is missing.
install_packages() {
        local apt=(env DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=300
                -o Acquire::Retries=3)
        local missing

        mapfile -t missing < <(missing_packages "$@")
        [ ${#missing[@]} -gt 0 ] || return 0
        say "Installing ${missing[*]}"
        as_root "${apt[@]}" update &&
                as_root "${apt[@]}" install --no-install-recommends "${missing[@]}" </dev/null
}

# prepare_source: sets `source_folder` to what configure can run from: the project's folder, or, when somebody
# has configured that itself and thereby barred it from builds elsewhere, a copy of what is distributed.
prepare_source() {
        source_folder=$top
        if [ -e "$top/config.status" ]; then
                source_folder=$top/build/source
                mkdir -p "$top/build" && make -s -C "$top" distdir distdir=build/source
        elif [ ! -e "$top/configure" ] || [ "$top/configure.ac" -nt "$top/configure" ]; then
                (cd "$top" && autoreconf -fi)
        fi
}

# build FOLDER TARGET CONFIGURE-OPTION…: builds build/FOLDER. Configures again only when the options changed.
build() {
        local folder=$top/build/$1 target=$2 source_folder options
        shift 2

        prepare_source && mkdir -p "$folder" || return
        options="$source_folder $*"
        if [ ! -e "$folder/Makefile" ] || [ "$options" != "$(cat "$folder/.options" 2>/dev/null)" ]; then
                (cd "$folder" && "$source_folder/configure" -q "$@") || return
                echo "$options" >"$folder/.options"
        fi
        make -s -C "$folder" -j"$(nproc)" "$target"
}

# as_previous DEB PREVIOUS: makes a package that differs from DEB in its version, which is lower, and in its configuration
as_previous() {
        local tree status

        tree=$(mktemp -d) && dpkg-deb --raw-extract "$1" "$tree" &&
                sed -i '/^Version:/s/$/~previous/' "$tree/DEBIAN/control" &&
                sed -i '$a # As it was.' "$tree"/etc/pgrok/*.conf &&
                dpkg-deb --root-owner-group --build "$tree" "$2" >/dev/null
        status=$?
        rm -rf "$tree"
        return $status
}
