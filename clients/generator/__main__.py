"""`python -m clients.generator CODEGEN` writes the generated files of the Python client.

CODEGEN is the program of datamodel-code-generator. `make clients` runs it for both clients.
"""

import sys
from pathlib import Path

from clients.generator.files import python_files

for path, code in python_files(Path(sys.argv[1])).items():
    path.parent.mkdir(exist_ok=True)
    path.write_text(code)
