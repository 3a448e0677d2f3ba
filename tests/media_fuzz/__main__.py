"""`make fuzz` reads damaged files as the front end does, and reports each that is neither read nor refused."""

import argparse
import sys
import time
import traceback
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from jobs.errors import InvalidRequest
from service.inputs.media import MediaLimits, MediaReader, check_file_format
from service.inputs.media_process import media_process
from tests.media_fuzz import damaged_files

LIMITS = MediaLimits(max_pixels=1_000_000, memory_bytes=1 << 30, timeout_s=30)


def main() -> int:
    """Reads damaged files in four threads and prints how the reads end; the exit code is 1 after an unexpected end."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7)
    options = parser.parse_args()
    media, began = MediaReader(media_process(), LIMITS), time.monotonic()
    with ThreadPoolExecutor(4) as threads:
        files = damaged_files(options.seed, options.count)
        ends = Counter(threads.map(lambda file: end_of(media, *file), files))
    for end, count in ends.most_common():
        sys.stdout.write(f"{count:6} {end}\n")
    sys.stdout.write(f"{options.count} files with seed {options.seed} in {time.monotonic() - began:.0f} s\n")
    restarts = media.process.starts - 1
    sys.stdout.write(f"{restarts} restarts of the fork server\n")
    return 1 if "error" in ends or restarts else 0


def end_of(media: MediaReader, name: str, data: bytes) -> str:
    """How the reading of one file ended, without the details of its refusal."""
    try:
        if check_file_format(data).kind == "video":
            media.read_video(data, "file")
        else:
            media.read_image(data, "file")
            media.read_mask(data, "file")
    except InvalidRequest as refusal:
        return f"refused: {refusal.code}"
    except Exception:  # noqa: BLE001  each of them is a finding
        sys.stderr.write(f"{name}: {data[:40]!r}…\n")
        traceback.print_exc()
        return "error"
    return "read"


if __name__ == "__main__":
    sys.exit(main())
