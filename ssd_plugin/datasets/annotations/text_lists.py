"""Text files with an entry in each line."""


def list_lines(data: bytes) -> list[str]:
    """Return the lines of a text file, such as a list of images, with or without a byte order mark.

    Raises:
        ValueError: It is not text.
    """
    text = data.decode('utf-8-sig')
    if '\0' in text:
        raise ValueError('it is not text: it contains a null character')
    return text.splitlines()
