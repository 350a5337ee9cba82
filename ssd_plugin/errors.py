"""Errors shown to users, in one line with the problem, its place and a remedy."""


class UserError(Exception):
    """A mistake in the input of the user. The command-line tools print its message without a traceback."""


class UnusableData(ValueError):
    """Data that training or evaluation cannot use; the message names the file, or the limit that was exceeded."""
