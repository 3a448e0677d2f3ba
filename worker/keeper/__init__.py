"""The keeper: a process that recovers lost jobs, deletes expired objects and delivers webhooks.

Only its own `__main__` starts it; no other package imports it. It may import `jobs`, `worker.settings`,
`worker.metrics` and `worker.crash_points`, but never torch.
"""
