import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ssd_plugin.datasets.annotations import imported
from ssd_plugin.datasets.annotations.records import Severity
from tests.datasets.annotations.imported.reading_support import read_folder
from tests.sample_folders.imported_formats import FORMATS, Sample


def content(labeled):
    return {image.path.name: (image.split, image.boxes) for image in labeled.images}


@pytest.mark.parametrize('key', FORMATS)
def test_every_format_is_recognized_and_gives_the_images_boxes_classes_and_splits_that_were_written(key, tmp_path):
    sample = FORMATS[key]
    sample.write(tmp_path, sample.samples)
    before = {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()}
    labeled = read_folder(tmp_path)
    expected = sample.expected()
    found = content(labeled)
    assert labeled.format == sample.name and found.keys() == expected.keys()
    for name, (split, boxes) in expected.items():
        assert found[name][0] == split, name
        assert [box.name for box in found[name][1]] == [box[0] for box in boxes]
        difference = np.array([box.corners for box in found[name][1]]) - [box[1:] for box in boxes]
        assert not boxes or np.abs(difference).max() <= sample.tolerance
    assert labeled.classes == ('Käse', 'cat', 'dog', 'wild dog')
    sizes = {sample.renamed.get(s.name, s.name): s.size for s in sample.samples}
    assert all(image.size == sizes[image.path.name] for image in labeled.images)
    assert all(issue.severity is Severity.INFO for issue in labeled.issues)
    assert {path: path.read_bytes() for path in tmp_path.rglob('*') if path.is_file()} == before


@pytest.mark.parametrize('key', FORMATS)
def test_a_byte_order_mark_and_windows_line_ends_make_no_difference(key, tmp_path):
    sample = FORMATS[key]
    sample.write(tmp_path, sample.samples)
    labeled = read_folder(tmp_path)
    for path in tmp_path.rglob('*'):
        if path.suffix in ('.csv', '.json', '.xml'):
            path.write_bytes(b'\xef\xbb\xbf' + path.read_bytes().replace(b'\n', b'\r\n'))
    assert read_folder(tmp_path).images == labeled.images


@pytest.mark.parametrize(
    'key', [key for key in FORMATS if key not in ('labelme', 'via_json', 'via_project', 'via_csv')]
)
def test_a_format_is_told_by_its_content_whatever_the_name_of_the_file(key, tmp_path):
    sample = FORMATS[key]
    sample.write(tmp_path, sample.samples)
    for number, path in enumerate(sorted(tmp_path.rglob('*'))):
        if path.suffix in ('.csv', '.json', '.xml'):
            path.rename(path.with_name(f'{number}_x{path.suffix.upper()}'))
    assert len(read_folder(tmp_path).images) == len(sample.expected())


@pytest.mark.parametrize('key', FORMATS)
def test_the_folder_of_the_images_may_be_elsewhere(key, tmp_path):
    sample = FORMATS[key]
    source, photos = tmp_path / 'labels', tmp_path / 'photos'
    source.mkdir()
    sample.write(source, sample.samples)
    photos.mkdir()
    for path in list(source.rglob('*')):
        if path.suffix.lower() in ('.jpg', '.jpeg', '.png'):
            shutil.move(path, photos / path.name)
    with pytest.raises(Exception, match='give the folder of the images with --images') as error:
        read_folder(source)
    assert '\n' not in str(error.value)
    assert {path.parent for path in (image.path for image in read_folder(source, images=photos).images)} == {photos}


boxes = st.tuples(*[st.integers(0, 99)] * 4).map(
    lambda v: (min(v[0], v[2]), min(v[1], v[3]), max(v[0], v[2]) + 1, max(v[1], v[3]) + 1)
)


@pytest.mark.parametrize('key', FORMATS)
def test_any_boxes_come_out_as_they_went_in(key, tmp_path_factory):
    sample = FORMATS[key]

    @settings(max_examples=8, deadline=None, database=None)
    @given(st.lists(st.lists(boxes, min_size=1, max_size=3, unique=True), min_size=2, max_size=4))
    def check(images):
        folder = tmp_path_factory.mktemp('any')
        samples = [
            Sample(
                f'{index}.png',
                (101, 102),
                tuple((f'c{i}', *box) for i, box in enumerate(found)),
                ('train', 'test')[index % 2],
            )
            for index, found in enumerate(images)
        ]
        sample.write(folder, samples)
        found = content(read_folder(folder))
        for image in samples:
            corners = np.array([box.corners for box in found[image.name][1]])
            assert np.abs(corners - [box[1:] for box in image.boxes]).max() <= sample.tolerance

    check()


def test_files_of_other_formats_are_not_recognized(tmp_path):
    others = {
        'coco.json': '{"info": {}, "images": [{"id": 1, "file_name": "a.jpg"}], "annotations": [], "categories": []}',
        'captions.json': '{"images": [], "annotations": [{"image_id": 1, "caption": "a cat"}]}',
        'package.json': '{"name": "x", "version": "1.0", "files": ["a"]}',
        'list.json': '[1, 2, 3]',
        'label_map.json': '{"cat": 1}',
        'train_objects.json': '[{"boxes": [[1, 2, 3, 4]], "labels": [1], "difficulties": [0]}]',
        'broken.json': '{"shapes"',
        'empty.json': '',
        'voc.xml': '<annotation><object><name>cat</name></object></annotation>',
        'pom.xml': '<project><annotations/></project>',
        'classes.csv': 'cat,0\ndog,1\n',
        'results.csv': 'epoch,loss\n1,0.5\n',
        'empty.csv': '',
    }
    for name, text in others.items():
        (tmp_path / name).write_text(text)
    assert imported.recognized(tmp_path) == {}
    assert imported.unknown_csv.recognize(tmp_path) == []


def test_annotation_files_are_found_in_subfolders_and_one_may_be_named_itself(tmp_path):
    sample = FORMATS['cvat']
    sample.write(tmp_path / 'export/job_1', sample.samples)
    labeled = read_folder(tmp_path)
    assert len(labeled.images) == 5
    file = tmp_path / 'export/job_1/annotations.xml'
    assert read_folder(file).images == labeled.images and Path(read_folder(file).root) == file.parent
