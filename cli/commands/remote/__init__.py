"""Client commands for the service of `easyanimate up`, or for one elsewhere.

`cli.main` imports this package. It imports the client, the progress bar and the shared options of `cli`.
"""
