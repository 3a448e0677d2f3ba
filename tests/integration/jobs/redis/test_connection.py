"""Connections to real servers: by a socket, with a user, with TLS, through Sentinels."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from threading import Timer

import pytest
import trustme
from redis import Redis
from redis.exceptions import RedisError

from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.redis.connection import connect, connect_async, redis_errors
from tests.faults.tcp_proxy import Mode, TcpProxy
from tests.integration.redis_servers import (
    PASSWORD,
    free_port,
    pair_with_sentinel,
    running,
    tls_proxy,
    wait_for,
)
from tests.job_store import JobStore

MakeJob = Callable[..., Job]
ACL = f"user app on >{PASSWORD} ~* &* +@all\nuser default off\n"


def configured(folder: Path, config: str) -> Path:
    """A configuration file."""
    (folder / "redis.conf").write_text(f'{config}\nsave ""\n')
    return folder / "redis.conf"


def check_connection(url: str, make_job: MakeJob) -> None:
    """A job can be stored and read at this address, by both kinds of client."""
    with connect(url, retries=20) as redis:
        job = JobStore(redis).submit(make_job())
        assert JobStore(redis).get(job.id) == job

    async def read() -> bytes | None:
        async with connect_async(url, retries=20) as redis:
            return await redis.hget(f"job:{job.id}", "state")

    assert asyncio.run(read()) == b'"queued"'


def check_refused(url: str) -> None:
    with connect(url, retries=0) as redis, pytest.raises(QueueUnavailable):
        JobStore(redis).now()


def test_a_socket_and_a_user_with_a_password(tmp_path: Path, make_job: MakeJob) -> None:
    socket = tmp_path / "redis.sock"
    with running(tmp_path, configured(tmp_path, f"port 0\nunixsocket {socket}\n{ACL}")):
        wait_for(Redis(unix_socket_path=str(socket), username="app", password=PASSWORD))
        check_connection(f"unix://app:{PASSWORD}@{socket}?db=1", make_job)
        check_refused(f"unix://app:wrong@{socket}")
        check_refused(f"unix://{socket}")


def test_tls_with_a_private_authority(tmp_path: Path, make_job: MakeJob) -> None:
    authority, plain_port = trustme.CA(), free_port()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with (
        running(tmp_path, configured(tmp_path, f"port {plain_port}\n{ACL}")),
        tls_proxy(plain_port, authority.issue_cert("localhost")) as port,
    ):
        url = f"rediss://app:{PASSWORD}@localhost:{port}/0"
        wait_for(Redis.from_url(f"{url}?ssl_ca_certs={tmp_path / 'ca.pem'}"))
        check_connection(f"{url}?ssl_ca_certs={tmp_path / 'ca.pem'}", make_job)
        check_refused(url)  # no authority for the certificate
        check_refused(f"redis://app:{PASSWORD}@localhost:{port}/0")


def test_a_tls_certificate_of_another_host_is_refused(redis_url: str, tmp_path: Path) -> None:
    authority, plain_port = trustme.CA(), int(redis_url.rpartition(":")[2].partition("/")[0])
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    with tls_proxy(plain_port, authority.issue_cert("redis.example")) as port:
        check_refused(f"rediss://localhost:{port}/0?ssl_ca_certs={tmp_path / 'ca.pem'}")


@pytest.mark.parametrize("retries", [10, 1000])
def test_a_connection_that_died_silently_is_replaced(redis_url: str, retries: int) -> None:
    proxy = TcpProxy(int(redis_url.rpartition(":")[2].partition("/")[0]))
    try:
        with connect(f"redis://127.0.0.1:{proxy.port}/0", retries=retries, timeout_s=1) as client:
            assert client.ping()
            proxy.inject(Mode.SILENT)
            proxy.repair()
            assert client.ping()
    finally:
        proxy.close()


def test_a_retried_command_reaches_the_new_master(tmp_path: Path) -> None:
    with pair_with_sentinel(tmp_path) as pair, connect(pair.url, retries=60, timeout_s=2) as client:
        assert client.set("key", "value")
        assert client.wait(1, 10_000) == 1
        pair.master.kill()
        assert client.get("key") == b"value"


def test_an_asynchronous_client_finds_the_new_master(tmp_path: Path) -> None:
    async def work(url: str, kill: Callable[[], None]) -> bytes | None:
        async with connect_async(url, retries=3, timeout_s=2) as client:
            assert await client.set("key", "value")
            assert await client.wait(1, 10_000) == 1
            kill()
            async with asyncio.timeout(240):
                while True:
                    try:
                        return await client.get("key")
                    except RedisError:
                        await asyncio.sleep(0.1)

    with pair_with_sentinel(tmp_path) as pair:
        assert asyncio.run(work(pair.url, pair.master.kill)) == b"value"


def test_a_wait_at_a_demoted_master_is_a_queue_that_is_unavailable(tmp_path: Path) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}"
    with running(tmp_path, "--port", port, "--save", ""), connect(url, retries=0) as redis:
        wait_for(redis)
        demote = Timer(0.5, lambda: Redis(port=port).execute_command("REPLICAOF", "127.0.0.1", 1))
        demote.start()
        with pytest.raises(QueueUnavailable), redis_errors():
            redis.blpop(["tickets"], timeout=10)
        demote.join()
