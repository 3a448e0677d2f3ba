"""Contains the command `easyanimate` and its subcommands.

Only tests may import it. It may import all packages.
"""
