#!/usr/bin/env bash
# Builds the documentation as a site into site/, with the pinned tools of requirements/docs.txt in an environment of their
# own. A broken link, also to a heading, is an error.
set -euo pipefail
venv=${1:-.venv}
python=${PYTHON:-python3}
cd "$(dirname "$0")/.."
tools="$venv/docs-site"
stamp="$tools/.installed-$(sha256sum <requirements/docs.txt | cut -c1-16)"
if [ ! -e "$stamp" ]; then
    echo "docs: installing mkdocs-material and what it needs (about 15 MB)"
    "$python" -m venv "$tools"
    "$tools/bin/python" -m pip --disable-pip-version-check --quiet install --no-compile --require-hashes -r requirements/docs.txt
    touch "$stamp"
fi
NO_MKDOCS_2_WARNING=1 "$tools/bin/mkdocs" build --quiet --strict
echo "docs: site/index.html"
