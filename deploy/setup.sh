#!/usr/bin/env bash
# Makes the virtual environment: torch first and by itself, the rest from hashed requirements, then this project.
# It shows each download with its size, on a terminal with a bar. A step that has been done is not done again.
set -euo pipefail

venv=${1:-.venv}
python=${PYTHON:-python3}
torch=2.13.0
here=$(cd "$(dirname "$0")/.." && pwd)
cd "$here"

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

apt_packages=()
command -v "$python" >/dev/null || apt_packages+=(python3)
"$python" -c 'import ensurepip' 2>/dev/null || apt_packages+=(python3-venv)
command -v curl >/dev/null || apt_packages+=(curl)
if [ ${#apt_packages[@]} -gt 0 ]; then
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        echo "setup: installing system packages: ${apt_packages[*]}"
        apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y "${apt_packages[@]}" >/dev/null
    else
        fail "please install these system packages and try again: ${apt_packages[*]} (on Debian: sudo apt-get install ${apt_packages[*]})"
    fi
fi
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    fail "Python 3.11 or newer is needed, $("$python" --version) was found; set PYTHON=/path/to/python3.11"

[ -x "$venv/bin/python" ] || { echo "setup: making $venv"; "$python" -m venv "$venv"; }

stamp="$venv/.installed-$(cat requirements/dev.txt pyproject.toml clients/python/pyproject.toml deploy/setup.sh | sha256sum | cut -c1-16)"
[ -e "$stamp" ] && exit 0

# The environments of clients that the tests use need this one's interpreter only: they are installed meanwhile.
if [ -n "${CLIENTS:-}" ]; then
    "$venv/bin/python" tests/clients/environments.py --installed-only &
fi

pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }
# Installs, and shows each download with its size: pip's own bars on a terminal, elsewhere a line per file. Python writes
# the bytecode of a module at its first import: most of the modules are never imported, and pip would compile all.
install() {
    if [ -t 1 ]; then
        pip install --no-compile "$@"
    else
        local noise='^(Requirement already|Looking in|Collecting|Obtaining|Installing collected|Successfully|WARNING: Location)'
        pip install --no-compile --progress-bar off "$@" 2>&1 | sed -u -E "/$noise/d; /Using cached|\.metadata/d; s/^ *Downloading /setup:   downloading /"
    fi
}
free_kb=$(df -Pk "$venv" | awk 'NR == 2 {print $4}')
if ! "$venv/bin/python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '$torch')" 2>/dev/null; then
    [ "$free_kb" -gt 4000000 ] || fail "$((free_kb / 1024)) MB are free in $here; the environment needs 4 GB, with torch for CUDA 8 GB"
    echo "setup: step 1 of 2: torch $torch, the largest part (a build for CUDA also downloads the libraries of CUDA)"
    install "torch==$torch"
fi
echo "setup: step 2 of 2: $(grep -c '^[a-z].*==' requirements/dev.txt) pinned packages"
install --require-hashes -r requirements/dev.txt
pip install --quiet --no-build-isolation --no-deps -e . -e clients/python
rm -f "$venv"/.installed-*
touch "$stamp"
echo "setup: done; $venv has $(du -sh "$venv" | cut -f1)"
