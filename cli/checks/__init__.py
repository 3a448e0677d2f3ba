"""The checks of `easyanimate doctor`: settings, Redis, storage, models, disk, device, codecs, moderation.

`cli.commands` imports this package. It imports the stack and settings of the command line, and all packages.
"""
