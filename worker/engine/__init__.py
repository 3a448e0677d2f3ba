"""The engine process: receives commands, keeps models loaded, and runs one request at a time.

Nothing imports this package but tests: the supervisor starts it as a child process. It may import
`worker.generation`, the lower packages of `worker`, and `easyanimate`.
"""
