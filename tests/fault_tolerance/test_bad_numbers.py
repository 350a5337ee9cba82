"""Numbers that are not finite, or absurd, end in a finite model or in an error that says what is wrong."""

import re

import pytest
import torch

from tests.fault_tolerance.test_distributed import environment, run, with_hook, write_config
from tests.support import run_tool_in


def poisoned(folder, shapes, what, every=1, kind='depthwise', more=''):
    """A config whose images, or those whose number ``every`` divides, have something wrong with them."""
    config = write_config(folder, kind, shapes, iterations=6)
    config.write_text(
        config.read_text() + f'\npipeline.append(dict(type="Poison", what="{what}", every={every}))\n'
        f'train_dataloader["collate_fn"] = dict(type="pseudo_collate")\n{more}'
    )
    return config


def weights(folder):
    return torch.load(folder / 'iter_6.pth', weights_only=True)['state_dict']


def assert_finite(folder):
    assert all(value.isfinite().all() for value in weights(folder).values() if value.is_floating_point())


@pytest.mark.slow
def test_steps_with_nan_pixels_are_skipped_and_training_goes_on(shapes, tmp_path):
    config = poisoned(tmp_path, shapes, 'pixels', every=6, more=with_hook('FiniteStepsHook', max_share=1.0))
    text = run(tmp_path, 'train.py', config, '--work-dir', tmp_path / 'run')
    assert 'the step is skipped' in text and re.search(r'Its images: .*\.(jpg|png)', text)
    assert_finite(tmp_path / 'run')
    kept = sorted((tmp_path / 'run').glob('nonfinite_iter_*.pth'))
    text = run(tmp_path, 'replay_batch.py', kept[0])
    assert 'inputs: not finite' in text and 'backbone' in text


def test_nan_pixels_in_all_images_end_training_and_name_them(shapes, tmp_path):
    config = poisoned(tmp_path, shapes, 'pixels', more=with_hook('FiniteStepsHook', max_in_a_row=3))
    result = run_tool_in(tmp_path, 'train.py', config, '--work-dir', tmp_path / 'run', **environment())
    assert result.returncode == 1 and 'Traceback' not in result.stderr
    message = result.stderr.strip().splitlines()[-1]
    assert (
        message.startswith('error: training is aborted at iteration 3: 3 steps in a row')
        and '.jpg' in message
        and 'replay_batch' in message
    )


@pytest.mark.parametrize('what', ['no area', 'huge'])
def test_boxes_without_area_or_of_absurd_size_end_in_a_finite_model(what, shapes, tmp_path):
    run(tmp_path, 'train.py', poisoned(tmp_path, shapes, what, every=2), '--work-dir', tmp_path / 'run')
    assert_finite(tmp_path / 'run')


@pytest.mark.slow
@pytest.mark.parametrize('kind, rate', [('ssd300', 0.03), ('depthwise', 0.3), ('ssd300', 30.0)])
def test_a_learning_rate_far_too_high_ends_in_a_finite_model_or_an_error_that_says_so(kind, rate, shapes, tmp_path):
    config = write_config(tmp_path, kind, shapes, iterations=30)
    config.write_text(
        f'{config.read_text()}\noptim_wrapper = dict(optimizer=dict(lr={rate}))\nparam_scheduler = []\n'
        + with_hook('FiniteStepsHook', max_in_a_row=5)
    )
    result = run_tool_in(tmp_path, 'train.py', config, '--work-dir', tmp_path / 'run', **environment())
    if result.returncode == 0:
        state = torch.load(tmp_path / 'run/iter_30.pth', weights_only=True)['state_dict']
        assert all(value.isfinite().all() for value in state.values() if value.is_floating_point())
    else:
        assert (
            'error: training is aborted at iteration' in result.stderr
            and 'learning rate is not too high' in result.stderr
        )
    # Thirty is far beyond what any network can take.
    assert result.returncode == 1 or rate < 30
