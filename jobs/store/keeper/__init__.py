"""The operations of keepers: recovery of lost jobs, deadlines, retention, and a rebuild from storage.

The keeper, the store and the command line import it. It imports the modules of `jobs.store` and the packages below it.
"""
