#!/usr/bin/env bash
# Installs Debian's Chromium for the tests of the studio where it is missing, or says why not; these tests fail then.
set -uo pipefail

command -v chromium chromium-browser google-chrome >/dev/null && exit 0
fail() {
    printf 'tests: Chromium is missing, so the tests in tests/browser will fail: %s\n' "$*" >&2
    exit 0 # all other tests run
}
command -v apt-get >/dev/null || fail "please install Chromium; there is no apt-get here"
[ "$(id -u)" = 0 ] || fail "please install it: sudo apt-get install chromium"
echo "tests: installing Chromium"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
install="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium fonts-wqy-microhei"
for attempt in 1 2; do
    timeout 300 bash -c "$install" >"$log" 2>&1 && exit 0
done
fail "apt-get could not install it: $(tail -n 1 "$log")"
