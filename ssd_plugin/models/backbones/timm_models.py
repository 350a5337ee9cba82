"""Access to timm, an optional dependency."""

from types import ModuleType
from typing import Any

from torch import nn

from ssd_plugin.errors import UserError, first_line, nearest


def import_timm(what: str, instead: str) -> ModuleType:
    """Return the module ``timm``.

    Args:
        what: What needs it, in the plural, for the message.
        instead: What to do without it.

    Raises:
        UserError: It cannot be imported.
    """
    try:
        import timm
    except ImportError as error:
        raise UserError(
            f'{what} need timm, which cannot be imported ({error}): pip install timm, or {instead}'
        ) from error
    return timm


def feature_model(name: str, **options: Any) -> nn.Module:
    """Return one of timm's models that give feature maps.

    Args:
        name: Name of the model, with or without the tag of its weights.
        options: Other arguments of ``timm.create_model``.

    Raises:
        UserError: timm is missing, has no such model, or cannot get its weights.
    """
    timm = import_timm('backbones of type TimmBackbone', 'choose a backbone of another type')
    if not timm.is_model(name.split('.')[0]):
        raise UserError(f'timm {timm.__version__} has no model {name!r}{nearest(name, timm.list_models())}')
    try:
        return timm.create_model(name, features_only=True, **options)
    # What a download, a tag or an option ends in differs between timm's versions and models.
    except Exception as error:
        if options.get('pretrained'):
            raise UserError(
                f'the weights of timm {name} cannot be had: {first_line(error)}. A copy is loaded with '
                'model.backbone.checkpoint=FILE; without weights: model.backbone.pretrained=False'
            ) from error
        raise UserError(
            f'timm cannot make a backbone of {name!r} with {options}: {first_line(error)}{_levels_of(timm, name)}'
        ) from error


def _levels_of(timm: ModuleType, name: str) -> str:
    """Return the end of a message, which lists the levels of a model if it has any."""
    try:
        strides = timm.create_model(name, features_only=True).feature_info.reduction()
    except Exception:
        # The model gives no feature maps, whatever the options.
        return ''
    return f'. Its levels are 0..{len(strides) - 1} with the strides {", ".join(map(str, strides))}'
