#!/usr/bin/env bash
# Installs the lowest version of every requirement that pyproject.toml allows, into a temporary environment, and imports
# every module. TORCH=2.13.0 takes another torch, PYTHON=python3.12 another Python.
set -euo pipefail

python=${PYTHON:-python3}
torch=${TORCH:-2.11.0}
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT

fail() { printf 'lowest: %s\n' "$*" >&2; exit 1; }
pip() { "$venv/bin/python" -m pip --disable-pip-version-check --quiet "$@"; }

"$python" -m venv "$venv"
echo "lowest: installing torch $torch"
pip install --extra-index-url https://download.pytorch.org/whl/cpu "torch==$torch" ||
    fail "torch $torch cannot be installed here; set TORCH to a version that can, and say so in the result"

"$python" - >"$venv/lowest.txt" <<'PYTHON'
import sys, tomllib

project = tomllib.load(open("pyproject.toml", "rb"))["project"]
wanted = project["dependencies"] + project["optional-dependencies"]["worker"]
without = [line for line in wanted if ">=" not in line]
if without:
    sys.exit(f"lowest: these have no lower bound: {', '.join(without)}")
print("\n".join(line.replace(">=", "==") for line in wanted if not line.startswith("torch>")))
PYTHON
echo "lowest: installing $(wc -l <"$venv/lowest.txt") requirements at their lower bounds"
pip install "torch==$torch" -r "$venv/lowest.txt" || fail "the lower bounds exclude each other, see above"

"$venv/bin/python" - <<'PYTHON'
import importlib, pathlib, sys

sys.path.insert(0, ".")
failed = []
paths = [path for room in ("service", "jobs", "worker", "easyanimate", "cli") for path in sorted(pathlib.Path(room).rglob("*.py"))]
for path in paths:
    name = ".".join(path.with_suffix("").parts).removesuffix(".__init__")
    try:
        if not name.endswith("__main__"):
            importlib.import_module(name)
    except Exception as problem:
        failed.append(f"{name}: {type(problem).__name__}: {problem}")
print(*failed, sep="\n")
sys.exit(f"lowest: {len(failed)} of {len(paths)} modules cannot be imported") if failed else print(f"lowest: {len(paths)} modules can be imported")
PYTHON
