"""Config of a detector for detection in windows of large images."""

from collections.abc import Mapping
from typing import Any

from mmdet.models.detectors import SingleStageDetector
from mmdet.registry import MODELS
from mmengine.config import Config, ConfigDict
from mmengine.registry import DefaultScope

import ssd_plugin.models  # noqa: F401 - registers the detectors
from ssd_plugin.configs import pipeline_steps
from ssd_plugin.errors import UserError
from ssd_plugin.models.detectors import MultiBoxDetector


def detect_in_tiles(cfg: Config, tiles: Mapping[str, Any] | None = None) -> None:
    """Change a config with ``model.test_cfg.tiles``, or for these settings, such that it detects in windows.

    The detector becomes a :class:`MultiBoxDetector`. In the pipelines of validation and test, the ``Resize`` to the
    network's input leaves images at their own size, and its scale becomes ``input_size`` of the windows. A config
    without windows stays as it is.

    Args:
        cfg: Config to change.
        tiles: Settings of the windows, which replace those of the config one by one; ``None`` for those of the config.

    Raises:
        UserError: The detector of the config cannot detect in windows.
    """
    model = cfg.model
    given = (model.get('test_cfg') or {}).get('tiles')
    if given is None and tiles is None:
        return
    if not isinstance(given, (dict, type(None))):
        raise UserError(f'model.test_cfg.tiles must be a dict or None, got {given!r}')
    settings = ConfigDict({**(given or {}), **(tiles or {})})
    with DefaultScope.overwrite_default_scope('mmdet'):
        detector = MODELS.get(model.type) if isinstance(model.type, str) else model.type
    if detector is SingleStageDetector:
        model.type = 'MultiBoxDetector'
    elif not (isinstance(detector, type) and issubclass(detector, MultiBoxDetector)):
        raise UserError(
            f'model.test_cfg.tiles needs model.type MultiBoxDetector or SingleStageDetector, got {model.type!r}'
        )
    for split in ('val', 'test'):
        for step in pipeline_steps((cfg.get(f'{split}_dataloader') or {}).get('dataset') or {}):
            transform = step.transform
            name = str(transform.get('type')).removeprefix('mmdet.') if isinstance(transform, dict) else ''
            if name == 'Resize':
                if 'scale' in transform and not transform.get('keep_ratio'):
                    settings.setdefault('input_size', tuple(transform['scale']))
                transform.pop('scale', None)
                transform['scale_factor'] = 1.0
            elif 'Resize' in name:
                raise UserError(
                    f'{split}_dataloader resizes images by {name}, but windows (model.test_cfg.tiles) are cut from '
                    'images of their own size; use Resize, which is left out then, or remove the step'
                )
    model.test_cfg = ConfigDict({**(model.get('test_cfg') or {}), 'tiles': settings})
