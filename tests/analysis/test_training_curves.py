import json

import pytest

from ssd_plugin.analysis import training_curves
from ssd_plugin.errors import UserError
from tests.support import disk_with_room_for


@pytest.fixture
def work_dir(tmp_path):
    """A run of two steps, resumed for a third, with a validation after the second."""
    runs = {
        '20260102_000000': [dict(loss=0.5, lr=0.1, step=3)],
        '20260101_000000': [
            dict(loss=2.0, loss_cls=1.5, lr=0.1, step=1),
            dict(loss=1.0, loss_cls=0.75, lr=0.1, step=2),
            {'coco/bbox_mAP': 0.25, 'loss_cls': 2.5, 'val_loss': 3.5, 'step': 2},
        ],
    }
    for name, records in runs.items():
        folder = tmp_path / name / 'vis_data'
        folder.mkdir(parents=True)
        (folder / 'scalars.json').write_text('\n'.join(map(json.dumps, records)) + '\n\n')
    return tmp_path


def test_the_log_of_a_resumed_run_follows_that_of_the_first(work_dir):
    assert [record['step'] for record in training_curves.read_log(work_dir)] == [1, 2, 2, 3]


def test_losses_rate_and_metrics_are_plotted_against_the_steps(work_dir, monkeypatch):
    saved = []
    monkeypatch.setattr(training_curves.Figure, 'savefig', lambda figure, file, **options: saved.append(figure))
    training_curves.plot_curves(training_curves.read_log(work_dir), work_dir / 'curves.png')
    curves = [
        {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axis.get_lines()}
        for axis in saved[0].axes
    ]
    assert curves[0] == {
        'loss': ([1, 2, 3], [2.0, 1.0, 0.5]),
        'loss_cls': ([1, 2], [1.5, 0.75]),
        'val_loss': ([2], [3.5]),
    }
    assert list(curves[1].values()) == [([1, 2, 3], [0.1, 0.1, 0.1])]
    assert curves[2] == {'coco/bbox_mAP': ([2], [0.25])}


def test_a_folder_without_training_is_an_error(tmp_path):
    folder = tmp_path / 'a' / 'vis_data'
    folder.mkdir(parents=True)
    (folder / 'scalars.json').write_text('{"coco/bbox_mAP": 0.25, "step": 2}\n')
    with pytest.raises(UserError, match=f'{tmp_path} has no log of a training run'):
        training_curves.read_log(tmp_path)


def test_a_figure_that_does_not_fit_on_the_disk_leaves_nothing(work_dir, tmp_path):
    records = training_curves.read_log(work_dir)
    with disk_with_room_for(1000), pytest.raises(OSError, match=str(tmp_path / 'curves.png')):
        training_curves.plot_curves(records, tmp_path / 'curves.png')
    assert not list(tmp_path.glob('*.png*')) and not list(tmp_path.glob('.*'))
