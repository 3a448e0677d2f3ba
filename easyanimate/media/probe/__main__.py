"""`python -m easyanimate.media.probe FD` starts the fork server; FD is the socket to the process that started it."""

import pkgutil
import socket
import sys
from importlib import import_module

import av
from PIL import Image

from easyanimate.media.probe.fork_server import ForkServer
from easyanimate.media.probe.tasks import perform

NOT_NEEDED = ("av.__main__", "av.datasets")


def main() -> None:
    """Imports all that decoders import at their first use, since a limited process can open no file; then serves."""
    Image.init()
    Image.MAX_IMAGE_PIXELS = None  # each task has its own maximum
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if module.name not in NOT_NEEDED:
            import_module(module.name)
    ForkServer(socket.socket(fileno=int(sys.argv[1])), perform).run()


if __name__ == "__main__":
    main()
