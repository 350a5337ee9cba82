"""When data is too bad to be trained on."""

# Share of images, annotations or boxes that training does without.
MAX_SHARE = 0.05


class UnusableData(ValueError):
    """Data that cannot be used, or more of it than is allowed; the message says which, how much, and what allows more."""
