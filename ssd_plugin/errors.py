"""Errors shown to users: one line that says what is wrong, where, and what to do."""


class UserError(Exception):
    """A mistake in what the user gave. The command-line tools print its message without a traceback."""


class UnusableData(ValueError):
    """Data that training or evaluation cannot use; the message names the file, or the limit that was exceeded."""
