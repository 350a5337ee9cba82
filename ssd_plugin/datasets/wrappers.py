"""Data sets inside data sets."""
from collections.abc import Iterator


def unwrapped(dataset) -> Iterator:
    """The data sets inside wrappers (repeated, concatenated, mixed) that know their annotations."""
    if hasattr(dataset, 'datasets'):
        for child in dataset.datasets:
            yield from unwrapped(child)
    elif hasattr(dataset, 'dataset'):
        yield from unwrapped(dataset.dataset)
    elif hasattr(dataset, 'get_data_info'):
        yield dataset
