"""The records of jobs and every transition of a job, for callers, workers and keepers.

The service, the worker and the command line import it. It imports the other packages of `jobs`.
"""
