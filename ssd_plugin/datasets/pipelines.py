"""The pipelines of datasets, through the wrappers of MMEngine and MMDetection."""

from collections.abc import Callable, Iterator
from typing import Any

from mmdet.datasets import MultiImageMixDataset

# A step, and the dataset that it draws other images from, if it mixes images.
Step = tuple[Callable[[dict[str, Any]], dict[str, Any] | None], Any]


def pipelines(dataset: Any) -> Iterator[list[Step]]:
    """Yield the steps that the images of each innermost dataset go through, from loading to packing.

    Args:
        dataset: Dataset, possibly in wrappers that repeat, concatenate or mix.
    """
    if isinstance(dataset, MultiImageMixDataset):
        own = [(step, dataset.dataset) for step in dataset.pipeline]
        for steps in pipelines(dataset.dataset):
            yield steps + own
    # The host's wrappers have no class in common, but these attributes.
    elif hasattr(dataset, 'datasets'):
        for child in dataset.datasets:
            yield from pipelines(child)
    elif hasattr(dataset, 'dataset'):
        yield from pipelines(dataset.dataset)
    elif hasattr(dataset, 'pipeline'):
        yield [(step, None) for step in dataset.pipeline.transforms]
