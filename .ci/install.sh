# Sourced by the scripts that build: installs Debian or Ubuntu packages, but only those that are missing.

# header NAME: whether a C++ header is installed.
header() {
    local directory
    for directory in /usr/include /usr/local/include /usr/include/eigen3 /usr/local/include/eigen3; do
        [ -e "$directory/$1" ] && return 0
    done
    return 1
}

# install_packages PACKAGE...: installs with apt, quietly. Returns 1 with one sentence where that does not work.
install_packages() {
    local as_root=() log
    if ! command -v apt-get >/dev/null; then
        echo "This machine has no apt-get: please install what these Debian packages hold: $*" >&2
        return 1
    fi
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null; then
            echo "Please have these packages installed (there is no sudo here): apt-get install $*" >&2
            return 1
        fi
        as_root=(sudo)
    fi
    echo "installing $*"
    log=$(mktemp)
    local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o DPkg::Lock::Timeout=120)
    # The package lists may be missing or old: try, refresh them, try again.
    if ! "${apt[@]}" install --no-install-recommends "$@" >"$log" 2>&1; then
        if ! { "${apt[@]}" update && "${apt[@]}" install --no-install-recommends "$@"; } >"$log" 2>&1; then
            tail -n 20 "$log" >&2
            rm -f "$log"
            echo "apt-get could not install $*." >&2
            return 1
        fi
    fi
    rm -f "$log"
}

# install_missing [header:]PROBE=PACKAGE...: installs the packages whose command or header is not there.
install_missing() {
    local pair probe missing=()
    for pair in "$@"; do
        probe=${pair%%=*}
        case $probe in
            header:*) header "${probe#header:}" || missing+=("${pair#*=}") ;;
            *) command -v "$probe" >/dev/null || missing+=("${pair#*=}") ;;
        esac
    done
    [ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}
