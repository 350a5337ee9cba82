import numpy as np
import pytest
from PIL import Image

from ssd_plugin.analysis.inference import CONFIGURED, DetectionOptions, draw, predict
from ssd_plugin.apis import detect, load
from ssd_plugin.errors import UserError
from tests.support import CONFIGS, config

NAME = 'demo/ssd_depthwise_shapes.py'


@pytest.fixture(scope='module')
def path(shapes, tmp_path_factory):
    """A file without losses, so that every reader gives the same pixels."""
    image = Image.open(sorted((shapes / 'JPEGImages').iterdir())[0])
    path = tmp_path_factory.mktemp('images') / 'shapes.png'
    image.save(path)
    return path


def rows(found):
    return list(zip(found.bboxes.tolist(), found.scores.tolist(), found.label_names))


def test_a_path_a_pil_image_and_an_rgb_array_are_the_same_image(shapes_model, path):
    pil = Image.open(path)
    first, *others = (
        detect(image, 0.1, 0.5, 20, model=shapes_model)
        for image in (path, str(path), pil, pil.convert('RGBA'), np.asarray(pil))
    )
    assert len(first.detections) == 20
    for other in others:
        assert rows(other.detections) == rows(first.detections)
        assert (np.asarray(other.annotated) == np.asarray(first.annotated)).all()


def test_the_detections_are_those_of_the_tools(shapes_model, path):
    annotated, found = detect(path, 0.1, 0.4, 5, model=shapes_model)
    rgb = np.asarray(Image.open(path))
    expected = predict(shapes_model, np.ascontiguousarray(rgb[..., ::-1]), DetectionOptions(0.1, 0.4, 5))
    assert found.bboxes.tolist() == expected.bboxes.tolist() and found.labels.tolist() == expected.labels.tolist()
    assert found.label_names == [shapes_model.dataset_meta['classes'][label] for label in expected.labels]
    assert annotated.mode == 'RGB' and annotated.size == (320, 240)
    assert (np.asarray(annotated) == draw(rgb, expected, shapes_model.dataset_meta)).all()
    # In the order of the other channels it is another image.
    other = detect(rgb[..., ::-1], 0.1, 0.4, 5, model=shapes_model)
    assert other.detections.scores.tolist() != found.scores.tolist()


def test_none_stands_for_the_settings_of_the_config(shapes_model, path):
    rgb = np.asarray(Image.open(path))
    found = detect(path, None, None, None, model=shapes_model).detections
    expected = predict(shapes_model, np.ascontiguousarray(rgb[..., ::-1]), CONFIGURED)
    assert len(found) and found.bboxes.tolist() == expected.bboxes.tolist()


@pytest.mark.parametrize('suppress', ['circle', ('circle',), ['square', 'circle']])
def test_suppressed_classes_are_not_detected(suppress, shapes_model, path):
    everything, found = (
        detect(path, 0.1, 0.5, 10, names, model=shapes_model).detections.label_names for names in ((), suppress)
    )
    assert 'circle' in everything and len(found) == 10
    assert set(found).isdisjoint({suppress} if isinstance(suppress, str) else suppress)


def test_without_detections_the_image_is_as_it_was(shapes_model, path):
    annotated, found = detect(path, min_score=1.0, model=shapes_model)
    assert len(found) == 0 and found.bboxes.shape == (0, 4) and found.label_names == []
    assert (np.asarray(annotated) == np.asarray(Image.open(path))).all()


@pytest.mark.parametrize(
    'image, message',
    [
        ('nowhere.jpg', 'there is no image nowhere.jpg'),
        (__file__, 'test_apis.py cannot be read: '),
        (np.zeros((4, 4), np.uint8), r'got an array of shape \(4, 4\) and type uint8'),
        (np.zeros((4, 4, 3)), 'type float64'),
        (np.zeros((0, 4, 3), np.uint8), r'shape \(0, 4, 3\)'),
        (None, 'got None'),
    ],
)
def test_what_is_not_an_image_is_an_error(image, message, shapes_model):
    with pytest.raises(UserError, match=message):
        detect(image, model=shapes_model)


@pytest.mark.parametrize(
    'values, message',
    [(dict(min_score=2), 'min_score'), (dict(top_k=0), 'top_k'), (dict(suppress=('heart',)), 'circle, square')],
)
def test_wrong_values_are_errors(values, message, shapes_model, path):
    with pytest.raises(UserError, match=message):
        detect(path, model=shapes_model, **values)


def test_a_config_is_a_path_a_name_or_a_config_which_stays(shapes_checkpoint):
    given = config(NAME)
    before = given.pretty_text
    models = [load(source, shapes_checkpoint, 'cpu') for source in (CONFIGS / NAME, f'ssd_plugin::{NAME}', given)]
    assert given.pretty_text == before
    assert len({model.bbox_head.cls_convs[0][0].conv.weight.sum().item() for model in models}) == 1
    assert not any(model.training for model in models)
    assert models[0].dataset_meta['classes'] == ('circle', 'square', 'triangle', 'star')


def test_missing_and_damaged_files_are_named(shapes_checkpoint, tmp_path):
    with pytest.raises(UserError, match='there is no checkpoint nowhere.pth'):
        load(CONFIGS / NAME, 'nowhere.pth')
    with pytest.raises(UserError, match='config nowhere.py'):
        load('nowhere.py', shapes_checkpoint)
    cut = tmp_path / 'cut.pth'
    cut.write_bytes(shapes_checkpoint.read_bytes()[:-500])
    with pytest.raises(UserError, match='cut.pth is damaged'):
        load(CONFIGS / NAME, cut)


@pytest.mark.parametrize('mode', ['I;16', 'I', 'F'])
def test_a_pil_image_of_more_than_8_bits_is_refused(mode, shapes_model):
    with pytest.raises(UserError, match='more than 8 bits'):
        detect(Image.new(mode, (40, 30)), model=shapes_model)


def test_classes_to_suppress_may_come_from_an_iterator(shapes_model):
    image = np.full((60, 80, 3), 128, np.uint8)
    every = shapes_model.dataset_meta['classes']
    _, found = detect(image, min_score=0.0, suppress=iter(every[1:]), model=shapes_model)
    assert len(found) and set(found.label_names) == {every[0]}
