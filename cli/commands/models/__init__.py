"""Commands for models: download, import, check, evaluate and train.

`cli.main` imports this package. It imports the local renderer and the stack of `cli`, and `easyanimate`.
"""
