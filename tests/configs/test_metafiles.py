"""The index of models: MMDetection's tools find the configs by name."""

from types import SimpleNamespace

import numpy as np
import pytest
from mmdet.apis import DetInferencer
from mmengine.fileio import load
from mmengine.hub import get_config

from ssd_plugin.interop.formats import FORMATS
from tests.support import CONFIGS, ROOT, WHOLE_CONFIGS

METAFILES = [load(ROOT / path) for path in load(ROOT / 'model-index.yml')['Import']]
MODELS = [model for metafile in METAFILES for model in metafile['Models']]
# Weights that were never published as a file.
UNPUBLISHED = {'pretrained/ssd300_mmdet_voc.py', 'pretrained/ssd512_mmdet_voc.py'}


def test_every_config_is_listed_once_under_its_own_name():
    assert sorted(model['Config'] for model in MODELS) == [f'configs/{name}' for name in WHOLE_CONFIGS]
    names = [model['Name'] for model in MODELS]
    assert names == [(ROOT / model['Config']).stem for model in MODELS] and len(set(names)) == len(names)


def test_every_model_is_in_a_collection_of_its_metafile_whose_readme_names_it():
    for metafile in METAFILES:
        readmes = {entry['Name']: (ROOT / entry['README']).read_text() for entry in metafile['Collections']}
        assert all(f'`{model["Name"]}.py`' in readmes[model['In Collection']] for model in metafile['Models'])


def test_weights_that_others_publish_are_named_with_their_source():
    named = {model['Config'] for model in MODELS if model['Weights'] or 'Converted From' in model}
    wanted = {f'configs/{name}' for form in FORMATS.values() for name in form.configs if name not in UNPUBLISHED}
    assert named == wanted
    for model in MODELS:
        source = model.get('Converted From', dict(Weights=model['Weights'], Code=None))
        assert all(url is None or url.startswith('https://') for url in source.values())
        # A file that has to be converted first must not be loaded as it is.
        assert not (model['Weights'] and 'Converted From' in model)


def test_figures_say_whether_they_were_published_or_measured():
    results = [result for model in MODELS for result in model.get('Results', ())]
    assert len(results) > 10
    assert all(result['Source'].startswith(('published, ', 'measured ')) for result in results)


@pytest.mark.parametrize(
    'name, weights',
    [('ssd300_voc.py', None), ('pretrained/ssd300_mmdet_coco.py', 'ssd300_coco_20210803_015428-d231a06e.pth')],
)
def test_mmengine_finds_a_config_and_its_weights_by_name(name, weights):
    cfg = get_config(f'ssd_plugin::{name}', pretrained=True)
    assert cfg.filename == str(ROOT / 'ssd_plugin/.mim/configs' / name)
    assert cfg.model_path is None if weights is None else cfg.model_path.endswith(weights)


@pytest.mark.parametrize(
    'name, path',
    [
        ('ssd300_voc', '/configs/ssd300_voc.py'),
        ('ssd_plugin::demo/ssd_depthwise_shapes.py', '/configs/demo/ssd_depthwise_shapes.py'),
        # MMDetection has a model of that name.
        ('ssd300_coco', 'mmdet/.mim/configs/ssd/ssd300_coco.py'),
    ],
)
def test_mmdetections_inferencer_finds_a_model_under_its_bare_name_and_a_config_by_its_path(name, path):
    cfg, _ = DetInferencer._load_model_from_metafile(SimpleNamespace(scope='mmdet'), name)
    assert cfg.filename.endswith(path)


def test_an_unknown_bare_name_is_mmdetections_error():
    with pytest.raises(ValueError, match='ssd299_voc in mmdet'):
        DetInferencer('ssd299_voc', device='cpu')


def test_mmdetection_finds_a_model_by_name():
    assert set(DetInferencer.list_models('ssd_plugin')) == {model['Name'] for model in MODELS}
    inferencer = DetInferencer('ssd_plugin::ssd_depthwise_320x240_voc', device='cpu', show_progress=False)
    assert inferencer.cfg.filename == str(CONFIGS / 'ssd_depthwise_320x240_voc.py')
    found = inferencer(np.zeros((120, 160, 3), np.uint8))['predictions'][0]
    assert len(found['bboxes']) == len(found['labels']) <= 200
    with pytest.raises(ValueError, match='ssd299_voc'):
        DetInferencer('ssd_plugin::ssd299_voc', device='cpu')
