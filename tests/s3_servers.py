"""S3-compatible servers of two kinds: SeaweedFS, and moto as a second implementation."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from cli.stack.ports import free_port, is_free
from jobs.settings import S3Settings

BUCKET = "videos"
ACCESS_KEY, SECRET_KEY = "tester", "not-a-real-secret"
START_TIMEOUT_S = 150.0


def _free_ports(count: int) -> list[int]:
    """Free ports; SeaweedFS uses each of them and the port 10000 above it. No outgoing connection can take one."""
    ports: list[int] = []
    while len(ports) < count:
        port = free_port() - 10_000
        if port < 20_000 and is_free("127.0.0.1", port):
            ports.append(port)
    return ports


@contextmanager
def seaweed(folder: Path) -> Iterator[S3Settings]:
    """Runs `weed mini` in this folder, with one bucket and one pair of keys."""
    master, volume, filer, s3, admin = _free_ports(5)
    keys = {"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    config = folder / "s3.json"
    config.write_text(json.dumps({"identities": [{"name": "tests", "credentials": [keys], "actions": actions}]}))
    options = {"dir": folder, "ip": "127.0.0.1", "ip.bind": "127.0.0.1", "master.port": master, "volume.port": volume}
    options |= {"filer.port": filer, "s3.port": s3, "admin.port": admin, "s3.config": config, "bucket": BUCKET}
    options |= {"s3.autoCreateBucket": "false", "webdav": "false", "admin.ui": "false"}
    options |= {"s3.port.iceberg": 0, "s3.port.lance": 0}
    program = Path(sys.executable).with_name("weed")
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [str(program), "mini", *(f"-{name}={value}" for name, value in options.items())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "GOMEMLIMIT": "1GiB"},
        )
    settings = _settings(s3)
    try:
        _wait_for(settings, server, folder / "log")
        yield settings
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(120)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _settings(port: int) -> S3Settings:
    return S3Settings.model_validate(
        {
            "bucket": BUCKET,
            "endpoint_url": f"http://127.0.0.1:{port}",
            "access_key_id": ACCESS_KEY,
            "secret_access_key": SECRET_KEY,
            "addressing_style": "path",
        }
    )


def _wait_for(settings: S3Settings, server: subprocess.Popen[bytes], log: Path, *, make_bucket: bool = False) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=settings.endpoint_url,
        region_name=settings.region,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=SECRET_KEY,
        config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 1}, connect_timeout=2),
    )
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline and server.poll() is None:
        try:
            if make_bucket:
                client.create_bucket(Bucket=BUCKET)
            client.put_object(Bucket=BUCKET, Key="ready", Body=b"1")
            client.delete_object(Bucket=BUCKET, Key="ready")
            return
        except (BotoCoreError, ClientError):
            time.sleep(0.2)
    raise RuntimeError(f"the S3 server did not start: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def moto(folder: Path) -> Iterator[S3Settings]:
    """Runs moto's server with one bucket. It checks no keys."""
    (port,) = _free_ports(1)
    with (folder / "log").open("wb") as log:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
    settings = _settings(port)
    try:
        _wait_for(settings, server, folder / "log", make_bucket=True)
        yield settings
    finally:
        server.terminate()
        server.wait(120)
