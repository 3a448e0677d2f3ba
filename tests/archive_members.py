"""Members of tar archives, and those that an import refuses."""

import tarfile
from typing import Any


def member(name: str, size: int = 1, **fields: Any) -> tarfile.TarInfo:
    """A plain file of `size` bytes, unless `fields` of its TarInfo say otherwise."""
    info = tarfile.TarInfo(name)
    info.size = size
    for field, value in fields.items():
        setattr(info, field, value)
    return info


# Refused in an archive whose first member is the file m/good, each with a part of the message.
REFUSED_MEMBERS = (
    (member("m/../../evil"), "no valid path"),
    (member("/etc/passwd"), "no valid path"),
    (member("m/a\\b"), "no valid path"),
    (member("C:/m/a"), "no valid path"),
    (member("m/a\nb"), "no valid path"),
    (member("m/" + "a" * 256), "no valid path"),
    (member("m/link", 0, type=tarfile.SYMTYPE, linkname="/etc/passwd"), "is a link"),
    (member("m/link", 0, type=tarfile.LNKTYPE, linkname="m/good"), "is a link"),
    (member("m/device", 0, type=tarfile.CHRTYPE), "is a link, a device"),
    (member("m/pipe", 0, type=tarfile.FIFOTYPE), "is a link, a device"),
    (member("m/./good"), "twice"),
    (member("m/good/inside"), "inside of a file"),
)
