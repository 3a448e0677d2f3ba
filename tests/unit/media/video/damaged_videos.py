"""Videos with damaged headers, each from a seed; as a command, reads as many of them as its argument says.

A damaged file is read or refused with UnsupportedMedia; every other error, and every crash, is a fault.
"""

import struct
import sys
from collections.abc import Sequence
from io import BytesIO
from itertools import islice
from random import Random

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.reader import open_reader
from tests.unit.media.video.clips import SAMPLES, written

EXTREMES = [0, 1, 2, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0xFFFF0000, 0x00010000, 1000, 1 << 24]
MP4_HEADER = (b"moov", b"moof", b"edts", b"stts", b"ctts", b"stsz", b"tkhd", b"mvhd", b"stsd", b"trun", b"tfhd")


def whole_files() -> list[bytes]:
    """A video of each container, and samples with headers of other programs."""
    small = {"num_frames": 12, "options": {"g": "6"}}
    files = [written(container, **small) for container in ("mp4", "mov", "matroska", "avi", "mpegts")]
    files.append(written("webm", "libvpx-vp9", num_frames=12))
    files.append(written(**small, container_options={"movflags": "frag_keyframe+empty_moov"}))
    names = ("v_hybrid.mp4", "v_coverfirst.mp4", "v_alpha_png.mov", "v_trim2.mp4", "v_hlg.mp4")
    return files + [(SAMPLES / name).read_bytes() for name in names]


def damaged(files: Sequence[bytes], seed: int) -> bytes:
    """One of the files with some damage, mostly to its header."""
    random = Random(seed)
    data = bytearray(random.choice(files))
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        random.choice((_set_byte, _set_number, _set_number, _cut, _remove, _repeat))(data, random)
    return bytes(data)


def _place(data: bytearray, random: Random) -> int:
    """A place in a box of the header, or anywhere."""
    begins = [begin for name in MP4_HEADER if (begin := data.find(name)) >= 0]
    if begins and random.random() < 0.8:
        return min(len(data) - 1, random.choice(begins) + random.randrange(-4, 120))
    return random.randrange(len(data)) if random.random() < 0.5 else random.randrange(min(len(data), 600))


def _set_byte(data: bytearray, random: Random) -> None:
    if data:
        data[_place(data, random)] = random.randrange(256)


def _set_number(data: bytearray, random: Random) -> None:
    if len(data) > 8:
        place = max(0, min(len(data) - 4, _place(data, random)))
        value = random.choice((random.choice(EXTREMES), random.getrandbits(32)))
        struct.pack_into(random.choice((">I", "<I")), data, place, value)


def _cut(data: bytearray, random: Random) -> None:
    if len(data) > 8 and random.random() < 0.3:
        del data[random.randrange(8, len(data)) :]


def _remove(data: bytearray, random: Random) -> None:
    if len(data) > 8:
        place = max(0, _place(data, random))
        del data[place : place + random.randrange(1, 40)]


def _repeat(data: bytearray, random: Random) -> None:
    if len(data) > 8:
        place = max(0, _place(data, random))
        data[place:place] = data[place : place + random.randrange(1, 200)]


def is_read(data: bytes) -> bool:
    """Whether the video can be read; False if it is refused."""
    try:
        with open_reader(BytesIO(data)) as reader:
            list(islice(reader.frames(8), 3))
    except UnsupportedMedia:
        return False
    return True


def main(count: int) -> None:
    """Reads the files of the first `count` seeds."""
    files, num_read = whole_files(), 0
    for seed in range(count):
        sys.stderr.write(f"\r{seed}")
        num_read += is_read(damaged(files, seed))
    sys.stdout.write(f"\n{count} damaged videos: {num_read} were read, {count - num_read} refused\n")


if __name__ == "__main__":
    main(int(sys.argv[1]))
