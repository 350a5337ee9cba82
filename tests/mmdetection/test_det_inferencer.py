"""What MMDetection checks of ``DetInferencer``, of our configs. All of it holds."""

import json

import mmcv
import numpy as np
import pytest
from mmdet.apis import DetInferencer
from mmdet.structures import DetDataSample

from tests.support import CONFIGS

CONFIG = CONFIGS / 'demo/ssd_depthwise_shapes.py'


@pytest.fixture(scope='module')
def inferencer(shapes_checkpoint):
    return DetInferencer(str(CONFIG), str(shapes_checkpoint), device='cpu', show_progress=False)


@pytest.fixture
def paths(shapes):
    return sorted(str(path) for path in (shapes / 'JPEGImages').iterdir())[:3]


@pytest.mark.parametrize(
    'model', ['ssd_depthwise_shapes', 'ssd_plugin::ssd_depthwise_shapes', 'ssd_plugin::demo/ssd_depthwise_shapes.py']
)
def test_a_model_is_found_by_name(model, shapes_checkpoint, inferencer, paths):
    other = DetInferencer(model, str(shapes_checkpoint), device='cpu', show_progress=False)
    assert other.cfg.filename.endswith('configs/demo/ssd_depthwise_shapes.py')
    assert other.model.dataset_meta['classes'] == inferencer.model.dataset_meta['classes']
    assert other(paths[0])['predictions'] == inferencer(paths[0])['predictions']


def test_neither_model_nor_weights_is_an_error():
    with pytest.raises(ValueError, match='weights'):
        DetInferencer(None, None)


def test_inputs_in_any_form_give_the_same_predictions(inferencer, paths, shapes, tmp_path):
    single = inferencer(paths[0])['predictions']
    assert set(single[0]) == {'labels', 'scores', 'bboxes'} and len(single[0]['bboxes']) > 0
    assert inferencer(mmcv.imread(paths[0]))['predictions'] == single
    several = inferencer(paths)['predictions']
    assert len(several) == 3 and several[0] == single[0]
    assert inferencer([mmcv.imread(path) for path in paths])['predictions'] == several
    (tmp_path / 'images').mkdir()
    for path in paths:
        mmcv.imwrite(mmcv.imread(path), str(tmp_path / 'images' / f'{path[-6:-4]}.png'))
    assert sorted(map(str, inferencer(str(tmp_path / 'images'))['predictions'])) == sorted(map(str, several))


def test_predictions_do_not_depend_on_the_batch_size(inferencer, paths):
    alone, together = (inferencer(paths, batch_size=size)['predictions'] for size in (1, 3))
    for one, other in zip(alone, together):
        assert one['labels'] == other['labels']
        np.testing.assert_allclose(one['bboxes'], other['bboxes'], atol=1e-3)


def test_figures_are_returned_and_saved(inferencer, paths, tmp_path):
    found = inferencer(paths[:2], return_vis=True, out_dir=str(tmp_path))
    for path, figure in zip(paths, found['visualization']):
        assert figure.shape == mmcv.imread(path).shape
        assert (tmp_path / 'vis' / path.rpartition('/')[2]).is_file()
    before = set((tmp_path / 'vis').iterdir())
    # An array has no name: its file is numbered.
    inferencer(mmcv.imread(paths[0]), out_dir=str(tmp_path))
    (numbered,) = set((tmp_path / 'vis').iterdir()) - before
    assert numbered.stem.isdigit()


def test_results_are_samples_or_dicts_which_are_printed_and_saved(inferencer, paths, tmp_path, capsys):
    samples = inferencer(paths[0], return_datasamples=True)['predictions']
    assert all(isinstance(sample, DetDataSample) for sample in samples)
    found = inferencer(paths[0], print_result=True, no_save_pred=False, out_dir=str(tmp_path))
    assert "'labels'" in capsys.readouterr().out
    (saved,) = (tmp_path / 'preds').glob('*.json')
    assert json.loads(saved.read_text()) == found['predictions'][0]
