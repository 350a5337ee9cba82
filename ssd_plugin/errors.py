"""The errors that are shown to people: one message that says what is wrong, where, and what to do."""


class UserError(Exception):
    """A mistake in what the user gave. The tools print the message alone, without a traceback."""


class UnusableData(ValueError):
    """Data that training or evaluation cannot go on with; the message names the file or the limit that was exceeded."""
