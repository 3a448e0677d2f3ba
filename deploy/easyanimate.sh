#!/bin/sh
# The command `easyanimate` in the images, from any folder.
PYTHONPATH=/app exec python -m cli "$@"
