"""`python -m service`: one front end process, until it is told to stop; requests under way are finished first."""

import asyncio
import signal
import sys
import time
from socket import socket

import structlog
import uvicorn
from pydantic import ValidationError
from pydantic_settings import SettingsError

from jobs.logs import configure_logging
from service.app import create_app
from service.resources import Resources
from service.settings import ServiceSettings


def main() -> None:
    """Read the settings, set up the logs, serve."""
    settings = read_settings()
    configure_logging(settings.log_format, process="api")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises it once more when it has shut down well
    structlog.get_logger().info("api.starting", host=settings.host, port=settings.port, storage=settings.storage)
    app = create_app(settings)
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # each request has a line of its own: service/http/middleware.py
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=settings.shutdown_grace_s,
    )
    Server(config, app.state.resources).run()


class Server(uvicorn.Server):
    """Whoever waits for news is sent away when the process was told to stop, and comes back to another one."""

    def __init__(self, config: uvicorn.Config, resources: Resources) -> None:
        super().__init__(config)
        self.resources = resources

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        """End the waits, then what uvicorn does: let the requests under way come to their end.

        Where balancers need time to notice, requests are answered until then, and only new videos refused.
        """
        ends_at = time.monotonic() + self.resources.settings.shutdown_delay_s
        while time.monotonic() < ends_at and not self.force_exit:
            self.resources.draining.set()
            await asyncio.sleep(0.1)
        await self.resources.leave()
        await super().shutdown(sockets)


def read_settings() -> ServiceSettings:
    """The settings of the environment; ends the process with a sentence if they make no sense."""
    try:
        return ServiceSettings()
    except ValidationError as error:
        sys.exit("\n".join(_sentence(list(fault["loc"]), fault["msg"]) for fault in error.errors()))
    except SettingsError as error:
        sys.exit(f"the settings cannot be read: {error}")


def _sentence(place: list[int | str], message: str) -> str:
    name = "__".join(str(part).upper() for part in place)
    return f"EASYANIMATE_{name}: {message}" if name else message.removeprefix("Value error, ")


if __name__ == "__main__":
    main()
