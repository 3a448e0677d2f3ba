#!/usr/bin/env bash
# Makes the virtual environment: torch first and by itself, the rest from hashed requirements, then this project.
# A step that has been done is not done again.
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
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }
if ! "$venv/bin/python" -c "import torch, sys; sys.exit(torch.__version__.split('+')[0] != '$torch')" 2>/dev/null; then
    echo "setup: installing torch $torch"
    pip install "torch==$torch"
fi
echo "setup: installing the pinned requirements"
pip install --require-hashes -r requirements/dev.txt
pip install --no-build-isolation --no-deps -e . -e clients/python
rm -f "$venv"/.installed-*
touch "$stamp"
echo "setup: done"
