"""`python -m service` runs one front end process; at shutdown it finishes the requests in progress."""

import asyncio
import signal
import sys
import time
from functools import partial
from socket import socket
from threading import Thread

import structlog
import uvicorn
from fastapi import FastAPI

from jobs.invalid_settings import InvalidSettings
from jobs.logs import configure_logging
from jobs.redis.health import log_server_problems
from jobs.tracing.start import start_traces
from service.app import create_app
from service.resources import Resources
from service.settings import ServiceSettings


def main() -> None:
    """Reads the settings, configures the log and serves."""
    try:
        settings = ServiceSettings.read()
    except InvalidSettings as error:
        sys.exit(str(error))
    configure_logging(settings.log_format, settings.log_level, process="api")
    start_traces("api")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it again after a clean shutdown
    structlog.get_logger().info("api.starting", host=settings.host, port=settings.port, storage=settings.storage)
    try:
        app = create_app(settings)
    except OSError as error:  # the generated secret cannot be stored or read
        sys.exit(f"EASYANIMATE_DATA_DIR cannot be used ({error}); or set EASYANIMATE_SIGNING_SECRET")
    check = partial(log_server_problems, app.state.resources.redis, on_disk=settings.waits_for_disk)
    Thread(target=check, daemon=True, name="redis-check").start()
    Server(server_config(app, settings), app.state.resources).run()


def server_config(app: FastAPI, settings: ServiceSettings) -> uvicorn.Config:
    """The configuration of the server; the headers of a trusted proxy set the client's address and the scheme."""
    return uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # RequestLogMiddleware logs each request
        server_header=False,
        ws="none",
        forwarded_allow_ips=list(settings.forwarded_allow_ips),
        timeout_keep_alive=settings.keep_alive_s,
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )


class Server(uvicorn.Server):
    """Ends long polls and event streams at shutdown; their clients reconnect to another process."""

    def __init__(self, config: uvicorn.Config, resources: Resources) -> None:
        super().__init__(config)
        self.resources = resources

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """Drains for `shutdown_delay_s`, ends the waits, and shuts down as uvicorn does.

        While it drains, requests are answered and new videos refused; load balancers notice in this time.
        """
        ends_at = time.monotonic() + self.resources.settings.shutdown_delay_s
        while time.monotonic() < ends_at and not self.force_exit:
            self.resources.draining.set()
            await asyncio.sleep(0.1)
        self.resources.end_waits()
        await super().shutdown(sockets)


if __name__ == "__main__":
    main()
