"""The operations of callers: submit, cancel, delete and read jobs.

The service and the keeper import it. It imports the modules of `jobs.store` and the packages below it.
"""
