import json
import shutil
from types import SimpleNamespace

import pytest
import torch
from mmengine.structures import InstanceData
from PIL import Image

from ssd_plugin.analysis import detection
from ssd_plugin.analysis.inference import DetectionOptions
from ssd_plugin.cli.error_messages import exit_on_user_error
from ssd_plugin.datasets.transforms.image_decoding import decode
from ssd_plugin.errors import UserError
from tests.support import disk_with_room_for


def instances(*boxes):
    return InstanceData(
        bboxes=torch.tensor(boxes, dtype=torch.float).reshape(-1, 4),
        labels=torch.arange(len(boxes)),
        scores=torch.linspace(0.9, 0.5, len(boxes)),
    )


def test_images_are_found_once_in_the_order_of_the_inputs(tmp_path):
    (tmp_path / 'deep').mkdir()
    for name in ('b.jpg', 'a.PNG', 'deep/c.jpg', 'notes.txt', 'empty'):
        (tmp_path / name).touch()
    found = detection.find_images([f'{tmp_path}/b.*', str(tmp_path), str(tmp_path / 'notes.txt')])
    assert [str(path.relative_to(tmp_path)) for path in found.images] == ['b.jpg', 'a.PNG', 'deep/c.jpg', 'notes.txt']
    assert found.others == [tmp_path / 'empty']


def test_images_in_a_folder_are_found_by_their_content_where_the_suffix_does_not_tell(shapes, tmp_path):
    source = sorted((shapes / 'JPEGImages').iterdir())[0]
    for name in ('none', 'photo.JFIF', 'a.b'):
        shutil.copy(source, tmp_path / name)
    with Image.open(source) as image:
        image.save(tmp_path / 'image.gif')
    (tmp_path / 'folder.xyz').mkdir()
    found = detection.find_images([str(tmp_path)])
    assert [path.name for path in found.images] == ['a.b', 'image.gif', 'none', 'photo.JFIF'] and not found.others
    shape = decode(source.read_bytes()).shape
    assert {decode(path.read_bytes()).shape for path in found.images} == {shape}


@pytest.mark.parametrize('name', ['nowhere.jpg', '*.jpg', '.'])
def test_an_input_that_names_no_image_is_an_error(name, tmp_path):
    with pytest.raises(UserError, match='names no image'):
        detection.find_images([str(tmp_path / name)])


def test_figures_of_images_with_the_same_name_are_numbered(tmp_path):
    images = [tmp_path / name for name in ('a.jpg', 'deep/a.png', 'a-2.jpg', 'b.jpg')]
    names = [path.name for path in detection.figure_paths(images, tmp_path)]
    assert names == ['a.jpg', 'a-2.jpg', 'a-2-2.jpg', 'b.jpg']


def test_detections_become_coco_annotations():
    first, second = detection.coco_detections(7, instances([1, 2, 11, 22], [0, 0, 3, 4]), 5)
    assert first == dict(
        id=5, image_id=7, category_id=1, bbox=[1, 2, 10, 20], area=200, iscrowd=0, score=pytest.approx(0.9)
    )
    assert (second['id'], second['category_id'], second['bbox']) == (6, 2, [0, 0, 3, 4])


def test_unreadable_files_are_skipped_and_reported(shapes, tmp_path, monkeypatch):
    source = sorted((shapes / 'JPEGImages').iterdir())[0]
    intact, cut, missing, folder = (tmp_path / name for name in ('a.jpg', 'cut.jpg', 'missing.jpg', 'folder.jpg'))
    shutil.copy(source, intact)
    cut.write_bytes(source.read_bytes()[:-500])
    folder.mkdir()
    sizes = []

    def predict(model, image, options):
        sizes.append(image.shape)
        return instances([1, 2, 11, 22])

    monkeypatch.setattr(detection, 'predict', predict)
    model = SimpleNamespace(dataset_meta=dict(classes=('circle', 'square')))
    run = detection.detect_files(model, [cut, intact, missing, folder], tmp_path / 'out')
    assert {path.name: reason for path, reason in run.unreadable.items()} == {
        'cut.jpg': 'it is truncated or damaged',
        'missing.jpg': 'it is missing',
        'folder.jpg': 'Is a directory',
    }
    height, width, _ = sizes[0]
    assert run.coco['images'] == [dict(id=2, file_name=str(intact), height=height, width=width)]
    assert [row['image_id'] for row in run.coco['annotations']] == [2] and len(sizes) == 1
    assert json.loads((tmp_path / 'out/detections.json').read_text()) == run.coco
    assert run.coco['categories'] == [dict(id=1, name='circle'), dict(id=2, name='square')]


def test_a_figure_shows_the_detections_of_the_score_and_above(shapes, tmp_path, monkeypatch):
    image = sorted((shapes / 'JPEGImages').iterdir())[0]
    drawn = []
    found = instances([1, 2, 11, 22], [5, 5, 30, 30], [50, 50, 90, 90])
    monkeypatch.setattr(detection, 'predict', lambda model, image, options: found)
    monkeypatch.setattr(detection, 'draw', lambda image, shown, meta: drawn.append(shown.scores.tolist()) or image)
    model = SimpleNamespace(dataset_meta=dict(classes=('circle', 'square', 'star')))
    for score in (0.5, found.scores[1].item(), 0.95, None):
        run = detection.detect_files(model, [image], tmp_path / 'out', score)
        assert len(run.coco['annotations']) == 3
    assert drawn == [found.scores.tolist(), found.scores[:2].tolist(), []]
    assert (tmp_path / 'out' / f'{image.stem}.jpg').is_file()


def test_a_figure_that_does_not_fit_on_the_disk_is_one_line_and_leaves_nothing(shapes, tmp_path, shapes_model, capsys):
    image = sorted((shapes / 'JPEGImages').iterdir())[0]
    with disk_with_room_for(1000), pytest.raises(SystemExit):
        exit_on_user_error(lambda: detection.detect_files(shapes_model, [image], tmp_path / 'out', 0.3))
    assert capsys.readouterr().err == f'error: {tmp_path}/out/{image.name}: File too large\n'
    assert list((tmp_path / 'out').iterdir()) == []


def test_a_class_to_suppress_that_is_unknown_is_an_error_before_anything_is_written(tmp_path):
    model = SimpleNamespace(dataset_meta=dict(classes=('circle', 'square')))
    with pytest.raises(UserError, match="suppress names 'heart', but the classes of the model are: circle, square"):
        detection.detect_files(model, [], tmp_path / 'out', options=DetectionOptions(suppress=['heart']))
    assert not (tmp_path / 'out').exists()


def test_the_detections_of_files_follow_the_options(shapes_model, shapes, tmp_path):
    images = sorted((shapes / 'JPEGImages').iterdir())[:2]
    run = detection.detect_files(shapes_model, images, tmp_path, options=DetectionOptions(0.1, 0.4, 5, ['star']))
    labels = [row['category_id'] for row in run.coco['annotations']]
    assert len(labels) == 10 and 4 not in labels
