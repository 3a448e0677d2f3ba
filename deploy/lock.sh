#!/usr/bin/env bash
# Pins every requirement with its hashes, all but torch: that one is installed first and by itself.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=${UV:-uv}
uv=$(realpath "$(command -v "$uv")") || { echo "lock: please install uv (pip install uv) or set UV=/path/to/uv" >&2; exit 1; }
without_torch=$(mktemp)
trap 'rm -f "$without_torch"' EXIT
echo "torch ; python_version < '3'" >"$without_torch"
lock() {
    local file=$1
    shift
    UV_CUSTOM_COMPILE_COMMAND="make lock" "$uv" pip compile --quiet pyproject.toml "$@" --python-version 3.11 --universal \
        --generate-hashes --override "$without_torch" -o "requirements/$file.txt"
}
lock service --extra traces
lock worker --extra worker --extra traces
lock dev --extra worker --extra traces --extra dev
# The tools of `make docs`, in an environment of their own.
UV_CUSTOM_COMPILE_COMMAND="make lock" "$uv" pip compile --quiet requirements/docs.in --python-version 3.11 --universal \
    --generate-hashes -o requirements/docs.txt

# The tool that lists the packages of the images.
UV_CUSTOM_COMPILE_COMMAND="make lock" "$uv" pip compile --quiet requirements/sbom.in --python-version 3.11 --universal \
    --generate-hashes -o requirements/sbom.txt

# The tool of `make audit`.
UV_CUSTOM_COMPILE_COMMAND="make lock" "$uv" pip compile --quiet requirements/audit.in --python-version 3.11 --universal \
    --generate-hashes -o requirements/audit.txt

# The clients of other people that the tests use, each in an environment of its own.
cd tests/clients/requirements
for wanted in *.in; do
    name=${wanted%.in}
    without=()
    [ -e "$name-without.txt" ] && without=(--override "$name-without.txt")
    UV_CUSTOM_COMPILE_COMMAND="make lock" "$uv" pip compile --quiet "$wanted" --python-version 3.11 --universal \
        --generate-hashes "${without[@]}" -o "$name.txt"
done
