#!/usr/bin/env bash
# Unpacks Debian's nginx, Caddy, Prometheus and tini into .venv/programs, or says why not; the tests that need them fail then.
# The packages are not installed: no server starts, and nothing outside this folder changes.
set -uo pipefail

folder="$(cd "$(dirname "$0")/.." && pwd)/${VENV:-.venv}/programs"
packages=()
[ -x "$folder/usr/sbin/nginx" ] || command -v nginx /usr/sbin/nginx >/dev/null || packages+=(nginx)
[ -x "$folder/usr/bin/caddy" ] || command -v caddy >/dev/null || packages+=(caddy)
[ -x "$folder/usr/bin/promtool" ] || command -v promtool >/dev/null || packages+=(prometheus)
[ -x "$folder/usr/bin/tini" ] || command -v tini >/dev/null || packages+=(tini)
[ ${#packages[@]} -gt 0 ] || exit 0
fail() {
    printf 'tests: %s are missing, so the tests that need them will fail: %s\n' "${packages[*]}" "$*" >&2
    exit 0 # all other tests run
}
command -v apt-get >/dev/null || fail "please install them; there is no apt-get here"
echo "tests: unpacking ${packages[*]}"
mkdir -p "$folder"
downloads=$(mktemp -d)
trap 'rm -rf "$downloads"' EXIT
cd "$downloads" || exit
for attempt in 1 2; do
    [ "$(id -u)" = 0 ] && [ "$attempt" = 2 ] && timeout 120 apt-get update -qq >log 2>&1
    if timeout 120 apt-get download -qq "${packages[@]}" >log 2>&1; then
        for package in *.deb; do dpkg-deb -x "$package" "$folder" || fail "$package cannot be unpacked"; done
        exit 0
    fi
done
fail "apt-get could not download them: $(tail -n 1 log)"
