"""The object store: one interface, a local folder and an S3 bucket behind it, signed links and the index of uploads.

`service`, `worker`, `cli` and `jobs.store` may import it. It may import `jobs.settings`, `jobs.redis`, `jobs.model` and
`jobs.errors`; boto3 is imported here alone.
"""
