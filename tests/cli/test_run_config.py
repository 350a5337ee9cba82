import argparse
import inspect

import pytest
from mmengine.runner import Runner

from ssd_plugin.cli.run_config import load_config
from tests.support import CONFIGS


@pytest.fixture
def arguments(monkeypatch, shapes):
    """Arguments of a run on the drawn data."""
    # load_config sets it; monkeypatch restores it.
    monkeypatch.setenv('LOCAL_RANK', '0')

    def parsed(config, **options):
        settings = dict(data_root=f'{shapes}/')
        defaults = dict(
            config=config, work_dir=None, cfg_options=settings, launcher='none', local_rank=0, new_keys=False
        )
        return argparse.Namespace(**{**defaults, **options})

    return parsed


@pytest.mark.parametrize(
    'config', ['ssd_plugin::demo/ssd_depthwise_shapes.py', str(CONFIGS / 'demo/ssd_depthwise_shapes.py')]
)
def test_the_work_dir_is_named_after_the_file_of_the_config(config, arguments):
    assert load_config(arguments(config), ()).work_dir == 'work_dirs/ssd_depthwise_shapes'


def test_a_config_by_name_without_a_folder_has_no_package_in_its_work_dir(arguments):
    assert load_config(arguments('ssd_plugin::ssd300_voc.py'), ()).work_dir == 'work_dirs/ssd300_voc'


def test_a_work_dir_of_the_command_line_or_the_config_stays(arguments, tmp_path):
    config = tmp_path / 'a.py'
    config.write_text("_base_ = 'ssd_plugin::demo/ssd_depthwise_shapes.py'\nwork_dir = 'mine'\n")
    assert load_config(arguments(str(config)), ()).work_dir == 'mine'
    assert load_config(arguments(str(config), work_dir='given'), ()).work_dir == 'given'


def test_settings_of_randomness_need_no_seed(arguments, shapes):
    options = {'data_root': f'{shapes}/', 'randomness.deterministic': True}
    randomness = load_config(arguments('ssd_plugin::bccd/ssd_depthwise_bccd.py', cfg_options=options), ()).randomness
    assert randomness.deterministic
    # A missing argument would be a TypeError.
    inspect.signature(Runner.set_randomness).bind(None, **randomness)
