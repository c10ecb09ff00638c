"""The one error that ends a bench with a sentence instead of a traceback."""


class BenchError(Exception):
    """Something the reader can do something about."""
