"""Commands that operate a service: start, check, repair, and API keys.

`cli.main` imports this package. It imports the checks and the stack of `cli`, and `jobs`.
"""
