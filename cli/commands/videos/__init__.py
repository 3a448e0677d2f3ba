"""Commands that render videos: locally, through a service, and again from a manifest.

`cli.main` imports this package. It imports the client, the stack and the local renderer of `cli`.
"""
