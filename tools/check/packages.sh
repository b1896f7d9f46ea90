# Copyright (c) The Quern authors. SPDX-License-Identifier: MIT
#
# What quickstart and check need from Debian, and how it gets installed.  Sourced by both.

build_packages=(
    gcc g++ libc6-dev meson ninja-build pkg-config     # g++ only sees the headers, in a test
    cmake                                              # meson writes the CMake package with it
    ocl-icd-opencl-dev ocl-icd-libopencl1              # OpenCL's headers and loader
    pocl-opencl-icd                                    # OpenCL on the CPU
    libclblast1 libclblast-dev                         # matrix products on GPUs
    zlib1g-dev                                         # .gz data sets
    libpng-dev libjpeg62-turbo-dev libsndfile1-dev     # images and sound
)
check_packages=(
    "${build_packages[@]}"
    git
    clinfo                                             # a test compares quern devices --raw with it
)

# not_installed PACKAGE...: those of them, in one line; none where there is no dpkg to ask.
not_installed() {
    local package missing=()
    command -v dpkg-query >/dev/null || return 0
    for package; do
        dpkg-query -W -f='${db:Status-Status}\n' "$package" 2>/dev/null | grep -qx installed || missing+=("$package")
    done
    echo "${missing[*]}"
}

# need PACKAGE...: install what is missing, unless $no_install is 1.
need() {
    local missing as_root=()

    if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
        echo "This is not Debian: nothing gets installed. Wanted, by their Debian names: $*"
        return 0
    fi
    read -r -a missing <<<"$(not_installed "$@")"
    [ ${#missing[@]} -gt 0 ] || return 0
    if [ "$no_install" = 1 ]; then
        echo "Not installed, and not to be installed now: ${missing[*]}"
        return 0
    fi
    if [ "$(id -u)" != 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Missing: ${missing[*]}. Run this as root, install sudo, or install them yourself." >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "Installing from Debian: ${missing[*]}"
    echo "(--no-install or QUERN_NO_INSTALL=1 leaves the system alone)"
    apt_install "${missing[@]}" && return 0
    echo "Once more, with fresh package lists"
    "${as_root[@]}" apt-get -q update && apt_install "${missing[@]}"
}

apt_install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o Dpkg::Use-Pty=0 install --no-install-recommends "$@" </dev/null
}
