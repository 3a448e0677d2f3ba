"""nginx and Caddy with the files of `deploy/`, on a free port, with a certificate of a local authority."""

import re
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import trustme

from cli.stack.ports import free_port
from tests.deploy.programs import program

ROOT = Path(__file__).parents[1]
START_TIMEOUT_S = 150.0
API = "127.0.0.1:8000"  # in the files of `deploy/`

NGINX = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
    {site}
}}
"""
CADDY = "{{\n\tadmin off\n\tauto_https off\n\tskip_install_trust\n}}\n{site}"


@dataclass(frozen=True)
class Proxy:
    """A running proxy: the address of the service behind it, the trusted authority, and its folder with the logs."""

    url: str
    tls: ssl.SSLContext
    folder: Path

    def client(self, headers: Mapping[str, str] | None = None) -> httpx.Client:
        """A client of the service at this address."""
        return httpx.Client(base_url=self.url, verify=self.tls, timeout=120, headers=headers)


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """The text with these changes, each of which applies to it, and none to another's result."""
    assert [old for old in changes if old not in text] == []
    return re.sub("|".join(map(re.escape, changes)), lambda found: changes[found.group()], text)


@contextmanager
def nginx(folder: Path, start_api: Callable[[str], str], *, removes_path: bool = True) -> Iterator[Proxy]:
    """nginx with `deploy/nginx.conf`; `start_api` starts a service with this public URL and returns its address."""
    port, (certificate, tls) = free_port(), _certificate(folder)
    url = f"https://localhost:{port}/video"
    changes = {
        API: start_api(url).removeprefix("http://"),
        "listen 443": f"listen {port}",
        "server_name example.com": "server_name localhost",
        "/etc/ssl/example.com.pem": str(certificate),
        "/etc/ssl/example.com.key": str(certificate),
        "/var/log/nginx": str(folder),
    }
    if not removes_path:
        changes["proxy_pass http://easyanimate/;"] = "proxy_pass http://easyanimate;"
    site = replaced((ROOT / "deploy" / "nginx.conf").read_text(), changes)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, site=site))
    with _running([program("nginx"), "-p", str(folder), "-e", str(folder / "error.log"), "-c", str(config)], folder):
        yield _answering(Proxy(url, tls, folder))


@contextmanager
def caddy(folder: Path, start_api: Callable[[str], str]) -> Iterator[Proxy]:
    """Caddy with `deploy/Caddyfile`; `start_api` starts a service with this public URL and returns its address."""
    port, (certificate, tls) = free_port(), _certificate(folder)
    url = f"https://localhost:{port}/video"
    changes = {
        API: start_api(url).removeprefix("http://"),
        "\nexample.com {": f"\nhttps://localhost:{port} {{\n\ttls {certificate} {certificate}",
    }
    config = folder / "Caddyfile"
    config.write_text(CADDY.format(site=replaced((ROOT / "deploy" / "Caddyfile").read_text(), changes)))
    command = [program("caddy"), "run", "--config", str(config), "--adapter", "caddyfile"]
    with _running(command, folder, {"HOME": str(folder), "XDG_DATA_HOME": str(folder)}):
        yield _answering(Proxy(url, tls, folder))


def _certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A file with key and certificate of `localhost`, and a context that trusts it."""
    authority, path = trustme.CA(), folder / "localhost.pem"
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(path)
    tls = ssl.create_default_context()
    authority.configure_trust(tls)
    return path, tls


@contextmanager
def _running(command: list[str], folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[None]:
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment)
    try:
        yield
    finally:
        process.terminate()
        process.wait(timeout=120)


def _answering(proxy: Proxy) -> Proxy:
    """The proxy, once it answers."""
    deadline = time.monotonic() + START_TIMEOUT_S
    with proxy.client() as client:
        while True:
            try:
                client.get("/healthz").raise_for_status()
                return proxy
            except httpx.TransportError:
                output = (proxy.folder / "output.log").read_text()
                assert time.monotonic() < deadline, output
                time.sleep(0.02)
