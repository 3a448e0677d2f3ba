"""Images of other programs: reading files, colour profiles, transparency, and files that end too early.

After the import, Pillow also opens HEIC files, and its decoders use one thread.
"""

import pi_heif
from PIL import AvifImagePlugin

pi_heif.register_heif_opener(decode_threads=1, thumbnails=False)
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
