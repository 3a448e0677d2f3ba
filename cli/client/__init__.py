"""A client of the service over HTTP.

The commands import this package. It imports the settings of `cli`.
"""
