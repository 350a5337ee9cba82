import pytest
import torch
from mmdet.registry import MODELS

from ssd_plugin.configs import read_config
from ssd_plugin.interop.target_config import class_options, parameter_shapes


def state_of(path, **options):
    """State dict of the detector of a config, without values."""
    shapes = parameter_shapes(path, tuple(options.items()))
    return {name: torch.empty(shape, device='meta') for name, shape in shapes.items()}


@pytest.mark.parametrize(
    'name', ['ssd300_voc.py', 'recipes/ssd300_modern_voc.py', 'pretrained/ssd300_torchvision_coco.py']
)
def test_weights_with_the_classes_of_the_config_need_no_options(name):
    path = f'ssd_plugin::{name}'
    assert class_options(path, state_of(path)) == {}


@pytest.mark.parametrize('name', ['ssd300_voc.py', 'recipes/ssd300_modern_voc.py'])
@pytest.mark.parametrize('number', [1, 19, 21])
def test_the_number_of_classes_is_read_from_softmax_and_sigmoid_outputs(name, number):
    path, options = f'ssd_plugin::{name}', {'model.bbox_head.num_classes': number}
    state = state_of(path, **options)
    assert class_options(path, state) == options
    head = MODELS.build(read_config(path, class_options(path, state)).model.bbox_head)
    assert {name: value.shape for name, value in head.state_dict(prefix='bbox_head.').items()} == {
        name: value.shape for name, value in state.items() if name.startswith('bbox_head.')
    }


def test_other_classes_remove_the_unused_outputs():
    path = 'ssd_plugin::pretrained/ssd300_torchvision_coco.py'
    options = {'model.bbox_head.num_classes': 3, 'model.bbox_head.unused_outputs': ()}
    assert class_options(path, state_of(path, **options)) == options
