"""The synchronous client, generated from `_async` by `make clients`."""
