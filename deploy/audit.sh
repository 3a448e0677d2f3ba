#!/usr/bin/env bash
# Asks pypi.org for known vulnerabilities of each pinned requirement, with pip-audit in an environment of its own. A package
# that cannot be checked is an error, too.
set -euo pipefail
venv=${1:-.venv}
cd "$(dirname "$0")/.."
tools="$venv/audit"
stamp="$tools/.installed-$(sha256sum <requirements/audit.txt | cut -c1-16)"
if [ ! -e "$stamp" ]; then
    "$venv/bin/python" -m venv "$tools"
    "$tools/bin/python" -m pip --disable-pip-version-check --quiet install --require-hashes -r requirements/audit.txt
    touch "$stamp"
fi
code=0
for file in service worker dev docs sbom audit; do
    echo "audit: requirements/$file.txt"
    "$tools/bin/pip-audit" --strict --no-deps --disable-pip --progress-spinner off -r "requirements/$file.txt" || code=1
done
exit $code
