"""Classes of unequal number and images without objects, by the command line."""

import re
import shutil

import pytest

NAME = 'ssd_plugin::demo/ssd_depthwise_shapes.py'


def losses(text):
    return re.findall(r'Iter\(train\) \[\s*(\d+)/\d+\].*? loss: (\S+)', text)


@pytest.fixture
def with_empty(shapes, tmp_path):
    """The drawn data, of which three training images have no objects."""
    data = shutil.copytree(shapes, tmp_path / 'data')
    for name in (data / 'ImageSets/Main/train.txt').read_text().split()[:3]:
        path = data / f'Annotations/{name}.xml'
        path.write_text(re.sub(r'<object>.*</object>', '', path.read_text(), flags=re.DOTALL))
    return data


def test_a_run_says_what_it_draws_and_resumes_exactly_with_other_workers(with_empty, run_tool, tmp_path):
    settings = {
        'data_root': with_empty,
        'train_dataloader.sampler.oversample_thr': 1.0,
        'train_dataloader.sampler.empty_fraction': 0.2,
        'train_dataloader.batch_size': 4,
        'train_cfg.max_iters': 4,
        'train_cfg.val_interval': 100,
        'default_hooks.checkpoint.interval': 2,
        'default_hooks.logger.interval': 1,
        'param_scheduler.1.end': 200,
    }

    def train(*arguments, **more):
        options = [f'{key}={value}' for key, value in {**settings, **more}.items()]
        result = run_tool('train.py', NAME, '--work-dir', tmp_path / 'run', *arguments, '--cfg-options', *options)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result.stdout + result.stderr

    text = train(**{'train_dataloader.num_workers': 1})
    # filter_empty_gt of the config would leave them out.
    assert '3 of the 12 images have no objects: they are 20.0% of the draws' in text
    assert 'Repeat-factor sampling: classes drawn more often' in text
    first = losses(text)
    assert [step for step, _ in first] == ['1', '2', '3', '4']
    workers = {'train_dataloader.num_workers': 2}
    again = losses(train('--resume', tmp_path / 'run/iter_2.pth', **workers))
    assert again == first[2:]


def test_a_fraction_of_images_that_there_are_none_of_is_one_line(shapes, run_tool):
    settings = (f'data_root={shapes}', 'train_dataloader.sampler.empty_fraction=0.2')
    result = run_tool('train.py', NAME, '--work-dir', 'run', '--cfg-options', *settings)
    assert result.returncode and 'Traceback' not in result.stderr
    assert 'empty_fraction=0.2 of StreamSampler needs images without objects' in result.stderr.splitlines()[-1]
