"""The ``augment`` option of training datasets: change options of the SSD augmentation without touching the pipeline.

MMEngine merges dictionaries by key but replaces lists as a whole, and a pipeline is a list. As a dictionary of the
training dataset, ``augment`` can be changed one option at a time, by a config that inherits and by ``--cfg-options``.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from mmdet.datasets import ConcatDataset, MultiImageMixDataset
from mmdet.registry import DATASETS

from ssd_plugin.errors import UserError

from .transforms.fused_ssd_augment import FusedSSDAugment


def augmented_pipeline(pipeline: Sequence[Any], options: Mapping[str, Any] | None) -> list[Any]:
    """Return a pipeline whose SSD augmentation has other options.

    Args:
        pipeline: Transforms or their configs. The augmentation is the step of type ``FusedSSDAugment``, or the
            ``augment`` of another step, such as ``MosaicSSDAugment``.
        options: Options of ``FusedSSDAugment``, which replace those of the step one by one. ``None`` or empty changes
            nothing.

    Raises:
        UserError: There are options, but the pipeline has no augmentation that takes them.
    """
    if not options:
        return list(pipeline)
    changed = [_with_options(step, options) for step in pipeline]
    if all(new is old for new, old in zip(changed, pipeline)):
        raise UserError(
            f"the dataset's 'augment' sets {', '.join(options)}, but its pipeline has no FusedSSDAugment; "
            "drop the options with augment=dict(_delete_=True), or set 'augment' where the augmentation is"
        )
    return changed


def _with_options(step: Any, options: Mapping[str, Any]) -> Any:
    """Return the step with the options, or the step itself if it does not augment."""
    if not isinstance(step, dict):
        return step
    # MMEngine takes a class, a name or a name with its scope.
    if step.get('type') in (FusedSSDAugment, 'FusedSSDAugment', 'mmdet.FusedSSDAugment'):
        return {**step, **options}
    inner = step.get('augment')
    changed = _with_options(inner, options)
    return step if changed is inner else {**step, 'augment': changed}


class AugmentOption:
    """Mixin of datasets that adds the ``augment`` option.

    Args:
        args: Positional arguments of the dataset.
        augment: Options of ``FusedSSDAugment`` to change in ``pipeline``.
        kwargs: Keyword arguments of the dataset, ``pipeline`` among them.
    """

    def __init__(self, *args: Any, augment: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        if augment:
            kwargs['pipeline'] = augmented_pipeline(kwargs.get('pipeline', ()), augment)
        super().__init__(*args, **kwargs)


@DATASETS.register_module()
class AugmentedConcatDataset(ConcatDataset):
    """MMDetection's ``ConcatDataset`` with the ``augment`` option for all its datasets.

    Args:
        datasets: Configs of the datasets.
        augment: Options of ``FusedSSDAugment`` to change in the pipeline of each dataset.
        kwargs: Other arguments of ``ConcatDataset``.
    """

    def __init__(self, datasets: Sequence[dict], augment: Mapping[str, Any] | None = None, **kwargs: Any) -> None:
        if augment:
            datasets = [
                dict(dataset, pipeline=augmented_pipeline(dataset.get('pipeline', ()), augment)) for dataset in datasets
            ]
        super().__init__(datasets, **kwargs)


@DATASETS.register_module()
class AugmentedMixDataset(AugmentOption, MultiImageMixDataset):
    """MMDetection's ``MultiImageMixDataset`` with the ``augment`` option, for ``MosaicSSDAugment`` in its pipeline."""
