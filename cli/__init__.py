"""The command `easyanimate` and its subcommands. No package imports it. It may import all packages."""
