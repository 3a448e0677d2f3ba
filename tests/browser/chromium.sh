#!/usr/bin/env bash
# The browser for these tests: Debian's Chromium, where it is missing and can be installed. Without one they are skipped.
set -uo pipefail

command -v chromium chromium-browser google-chrome >/dev/null && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "tests: there is no Chromium; those of the studio in a browser will be skipped (on Debian: sudo apt-get install chromium)"
    exit 0
fi
echo "tests: installing Chromium"
install="apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium"
timeout 300 bash -c "$install" >/dev/null 2>&1 ||
    echo "tests: Chromium cannot be installed; those of the studio in a browser will be skipped"
exit 0
