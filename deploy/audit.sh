#!/usr/bin/env bash
# Asks pypi.org for known vulnerabilities of each pinned requirement, with pip-audit in an environment of its own. A package
# that cannot be checked is an error, too. Ends with 2 if nothing can be checked, with 1 after findings.
set -euo pipefail
venv=${1:-.venv}
cd "$(dirname "$0")/.."
"$venv/bin/python" -m deploy.advisories || exit 2
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
if [ $code -ne 0 ]; then
    echo "audit: at least one requirement is vulnerable or was not checked; the lines above name them" >&2
fi
exit $code
