import pytest
import torch
from mmdet.registry import MODELS

from ssd_plugin.analysis.batch_replay import describe_values, replay_file, replay_image
from ssd_plugin.configs import read_config
from ssd_plugin.engine.optimizers.nonfinite_batch import NonfiniteBatch
from ssd_plugin.errors import UserError


@pytest.fixture(scope='module')
def kept(tmp_path_factory):
    """A kept batch of two images, the second with a pixel that is not a number, and its file."""
    cfg = read_config('ssd_plugin::demo/ssd_depthwise_shapes.py')
    model = MODELS.build(cfg.model)
    images = [torch.zeros(3, 240, 320), torch.zeros(3, 240, 320)]
    images[1][0, 100, 100] = float('nan')
    sample = dict(bboxes=torch.tensor([[10.0, 10.0, 90.0, 120.0]]), labels=torch.tensor([1]))
    batch = NonfiniteBatch(
        config=cfg.pretty_text,
        iteration=7,
        losses=dict(loss=float('nan')),
        inputs=images,
        samples=[dict(sample, metainfo=dict(img_path=name, img_shape=(240, 320))) for name in ('a.jpg', 'b.jpg')],
        state_dict=model.state_dict(),
    )
    path = tmp_path_factory.mktemp('kept') / 'nonfinite_iter_7.pth'
    batch.write(path)
    return model, batch, path


def test_a_finite_image_has_finite_layers_losses_and_gradients(kept):
    model, batch, _ = kept
    found = replay_image(model, batch.inputs[0], batch.samples[0])
    assert found.first_layer is None and not found.parameters
    assert set(found.losses) == {'loss_cls', 'loss_bbox'} and all(value > 0 for value in found.losses.values())


def test_a_pixel_that_is_not_a_number_breaks_the_first_layer(kept):
    model, batch, _ = kept
    found = replay_image(model, batch.inputs[1], batch.samples[1])
    first = next(name for name, module in model.backbone.named_modules() if isinstance(module, torch.nn.Conv2d))
    assert found.first_layer == f'backbone.{first}' and found.parameters


def test_the_report_names_each_image(kept):
    lines = list(replay_file(kept[2]))
    assert lines[0] == "iteration 7, losses {'loss': nan}" and lines[1].startswith('weights: finite')
    second = lines.index('b.jpg')
    assert lines.index('a.jpg') < second
    assert '    first layer whose output is not finite: none' in lines[:second]
    assert '    inputs: not finite (1 of 230400 values)' in lines[second:]


def test_a_file_that_is_not_a_kept_batch_is_an_error(tmp_path):
    text, other = tmp_path / 'text.pth', tmp_path / 'other.pth'
    text.write_text('no batch')
    torch.save(dict(state_dict={}), other)
    for path in (text, other, tmp_path / 'nowhere.pth'):
        with pytest.raises(UserError, match=f'{path} is not a batch that training has kept'):
            list(replay_file(path))


def test_values_are_described_by_their_largest_magnitude():
    assert describe_values(torch.tensor([1.0, -2.5])) == 'finite, magnitudes up to 2.5'
    assert describe_values(torch.tensor([1.0, float('inf')])) == 'not finite (1 of 2 values)'
    assert describe_values(torch.zeros(0, 4)) == 'finite'
