"""`python -m deploy.secret_scan`: finds keys and passwords in the files of the repository with detect-secrets.

`deploy/accepted_secrets.toml` names the findings that are no secrets, each with its reason. A finding is named by its
file and by the beginning of its SHA-1, so that it stays accepted when lines move. An entry without a finding is an
error, too. Tests with their invented keys, locked requirements with their hashes, and that file are not read.
In Python, ruff's rules S105 to S107 find passwords.
"""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

from detect_secrets import SecretsCollection
from detect_secrets.settings import transient_settings

ROOT = Path(__file__).parents[1]
ACCEPTED = ROOT / "deploy" / "accepted_secrets.toml"
DIGITS = 10
# Tokens of other services are found in each file by tests/contracts/test_repository.py.
PLUGINS = ("KeywordDetector", "BasicAuthDetector", "PrivateKeyDetector", "JwtTokenDetector")
NOT_READ = re.compile(
    r"^(tests|easyanimate/tiny/model|service/studio/vendor|clients/typescript/(test|src/generated))/"
    r"|^requirements/.*\.txt$|^deploy/accepted_secrets\.toml$|package-lock\.json$"
    r"|\.(py|js|ts|css|gif|jpg|png|svg|xz|tsv|safetensors|mp4)$"
)


def files() -> list[str]:
    """The files under version control that are read."""
    listed = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=True).stdout
    return [name for name in listed.split("\0") if name and not NOT_READ.search(name) and (ROOT / name).is_file()]


def findings(names: list[str], root: Path = ROOT) -> dict[str, str]:
    """What was found: file and digest of each finding -> its place and kind."""
    found = SecretsCollection(root=str(root))
    with transient_settings({"plugins_used": [{"name": name} for name in PLUGINS]}):
        for name in names:
            found.scan_file(name)
    return {
        f"{name} {secret.secret_hash[:DIGITS]}": f"{name}:{secret.line_number}: {secret.type}" for name, secret in found
    }


def main() -> int:
    """Reports findings that are not accepted, and accepted ones that are gone."""
    accepted = tomllib.loads(ACCEPTED.read_text(encoding="utf-8"))
    known = {key: reason for reason, keys in accepted.items() for key in keys}
    found = findings(files())
    for key in sorted(found.keys() - known.keys()):
        sys.stdout.write(f'{found[key]}; if it is no secret: add "{key}" under a reason in {ACCEPTED.name}\n')
    for key in sorted(known.keys() - found.keys()):
        sys.stdout.write(f"{ACCEPTED.name}: {key!r} is found no more; remove it\n")
    return 1 if found.keys() != known.keys() else 0


if __name__ == "__main__":
    sys.exit(main())
