NAME = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
STOPPING = 'default_hooks.early_stopping'


def train(run_tool, shapes, tmp_path, *settings):
    short = ('train_cfg.max_iters=9', 'train_cfg.val_interval=1', 'train_dataloader.batch_size=2')
    short += ('param_scheduler.1.end=200', f'{STOPPING}.type=ExactEarlyStoppingHook', f'{STOPPING}.patience=1')
    command = ('--work-dir', tmp_path / 'run', '--cfg-options', f'data_root={shapes}', *short, *settings)
    return run_tool('train.py', NAME, *command)


def test_a_training_stops_early_by_options_of_the_config(shapes, run_tool, tmp_path):
    # No metric improves by 2.
    settings = (f'{STOPPING}.monitor=pascal_voc/mAP', f'{STOPPING}.min_delta=2.0')
    result = train(run_tool, shapes, tmp_path, *settings)
    assert result.returncode == 0, result.stderr[-2000:]
    text = result.stdout + result.stderr
    assert 'the monitored metric did not improve in the last 1 records' in text
    assert text.count('Iter(val) [1/1]') == 2


def test_a_misspelt_option_is_one_line_before_training(shapes, run_tool, tmp_path):
    result = train(run_tool, shapes, tmp_path, f'{STOPPING}.monitor=pascal_voc/mAP', f'{STOPPING}.patiense=3')
    last = result.stderr.strip().splitlines()[-1]
    assert result.returncode and "has no key 'patiense'" in last and 'did you mean patience?' in last
    assert not (tmp_path / 'run').exists()
