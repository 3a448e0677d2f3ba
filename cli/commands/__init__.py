"""The subcommands of `easyanimate`, grouped by their subject: videos, operation and models.

`cli.main` imports this package. It imports the other packages of `cli`, and all packages of the product.
"""
