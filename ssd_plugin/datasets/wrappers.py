"""Data sets inside data sets, built or as configs."""
from collections.abc import Iterator

from mmengine.config import Config


def unwrapped(dataset) -> Iterator:
    """The data sets inside wrappers (repeated, concatenated, mixed) that know their annotations."""
    if hasattr(dataset, 'datasets'):
        for child in dataset.datasets:
            yield from unwrapped(child)
    elif hasattr(dataset, 'dataset'):
        yield from unwrapped(dataset.dataset)
    elif hasattr(dataset, 'get_data_info'):
        yield dataset


def leaf_datasets(dataset: dict, key: str) -> Iterator[tuple[str, dict]]:
    """(config key, config) of the data sets inside wrappers."""
    if 'datasets' in dataset:
        for index, child in enumerate(dataset['datasets']):
            yield from leaf_datasets(child, f'{key}.datasets.{index}')
    elif 'dataset' in dataset:
        yield from leaf_datasets(dataset['dataset'], f'{key}.dataset')
    else:
        yield key, dataset


def configured_datasets(cfg: Config, splits: tuple[str, ...]) -> Iterator[tuple[str, dict]]:
    """(config key, config) of the data sets of the splits, without their wrappers."""
    for split in splits:
        loader = cfg.get(f'{split}_dataloader')
        if loader:
            yield from leaf_datasets(loader['dataset'], f'{split}_dataloader.dataset')
