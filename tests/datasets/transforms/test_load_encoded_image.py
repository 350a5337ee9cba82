import pickle
import shutil

import cv2
import numpy as np
import pytest
from mmcv.transforms import LoadImageFromFile
from mmdet.registry import TRANSFORMS
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.registry import DATASETS, FUNCTIONS
from torch.utils.data import DataLoader

from ssd_plugin.datasets.transforms import image_reads
from ssd_plugin.errors import UnusableData


@pytest.fixture
def files(tmp_path):
    image = cv2.resize(np.random.RandomState(0).randint(0, 256, (6, 8, 3), dtype=np.uint8), (160, 120))
    for name in ('a.jpg', 'b.png'):
        cv2.imwrite(str(tmp_path / name), image)
    (tmp_path / 'cut.jpg').write_bytes((tmp_path / 'a.jpg').read_bytes()[:-500])
    (tmp_path / 'folder.jpg').mkdir()
    (tmp_path / 'cut.png').write_bytes((tmp_path / 'b.png').read_bytes()[:-500])
    return tmp_path


def load(**options):
    return TRANSFORMS.build(dict(type='LoadEncodedImage', **options))


def test_a_jpeg_stays_encoded_until_its_pixels_are_wanted(files):
    results = load()(dict(img_path=str(files / 'a.jpg')))
    assert 'img' not in results and results['img_shape'] == results['ori_shape'] == (120, 160)
    assert results['encoded_img'].decode(2).shape == (60, 80, 3)


@pytest.mark.parametrize('name, options', [('a.jpg', dict(decode=True)), ('b.png', dict())])
def test_decoded_images_are_what_mmcv_loads(files, name, options):
    results = load(**options)(dict(img_path=str(files / name)))
    expected = LoadImageFromFile()(dict(img_path=str(files / name)))
    assert (results['img'] == expected['img']).all()
    assert {key: results[key] for key in ('img_shape', 'ori_shape')} == {
        key: expected[key] for key in ('img_shape', 'ori_shape')
    }


@pytest.mark.parametrize('name', ['cut.jpg', 'cut.png', 'missing.jpg', 'folder.jpg'])
@pytest.mark.parametrize('decode', [False, True])
def test_unreadable_images_are_skipped_and_counted(files, name, decode, capsys):
    pipeline = Compose(
        [dict(type='mmdet.LoadEncodedImage', decode=decode), dict(type='mmdet.FusedSSDAugment', scale=(30, 30))]
    )
    assert pipeline(dict(img_path=str(files / name))) is None
    assert pipeline(dict(img_path=str(files / 'a.jpg')))['img'].shape == (30, 30, 3)
    assert pipeline.transforms[0].reads.totals() == (2, 1, 0)


def test_too_many_unreadable_images_are_an_error(files):
    transform = load(least=10, max_unreadable=0.5)
    for _ in range(9):
        assert transform(dict(img_path=str(files / 'missing.jpg'))) is None
    with pytest.raises(UnusableData, match='10 of the 10 .*50%.*missing.jpg'):
        transform(dict(img_path=str(files / 'missing.jpg')))
    with pytest.raises(UnusableData):
        load(max_unreadable=0)(dict(img_path=str(files / 'missing.jpg')))


def test_images_of_another_size_than_annotated_are_named_and_counted(files, monkeypatch):
    said = []
    monkeypatch.setattr(image_reads, 'print_log', lambda text, *args: said.append(text))
    transform = load()
    for number in range(8):
        shutil.copy(files / 'a.jpg', files / f'{number}.jpg')
        transform(dict(img_path=str(files / f'{number}.jpg'), width=120, height=160))
    transform(dict(img_path=str(files / 'a.jpg'), width=160, height=120))
    transform(dict(img_path=str(files / 'a.jpg')))
    assert transform.reads.totals() == (10, 0, 8)
    # The first ones are enough: there may be a hundred thousand.
    assert len(said) == image_reads.MAX_NAMED
    assert '0.jpg has 160x120 pixels, but is annotated with 120x160' in said[0] and 'does EXIF rotate it' in said[0]


def test_workers_count_together(shapes):
    first = sorted((shapes / 'JPEGImages').iterdir())[0]
    dataset = DATASETS.build(
        dict(
            type='mmdet.VOCDataset',
            data_root=str(shapes),
            metainfo=dict(classes=('circle', 'square', 'triangle', 'star')),
            ann_file='ImageSets/Main/train.txt',
            data_prefix=dict(sub_data_root=''),
            pipeline=[
                dict(type='mmdet.LoadEncodedImage'),
                dict(type='mmdet.LoadAnnotations', with_bbox=True, box_type=None),
                dict(type='mmdet.FusedSSDAugment', scale=(64, 48)),
                dict(type='mmdet.PackDetInputs'),
            ],
        )
    )
    content = first.read_bytes()
    try:
        first.unlink()
        batches = list(DataLoader(dataset, batch_size=4, num_workers=2, collate_fn=FUNCTIONS.get('stack_collate')))
    finally:
        first.write_bytes(content)
    counts = dataset.pipeline.transforms[0].reads.counts
    assert (counts[:2, 0] > 0).all() and counts[:, 1].sum() >= 1 and counts[:, 0].sum() == 12 + counts[:, 1].sum()
    assert [tuple(batch['inputs'].shape) for batch in batches] == [(4, 3, 48, 64)] * 3 and len(
        batches[0]['data_samples']
    ) == 4


def test_the_steps_can_be_sent_to_workers_that_are_spawned():
    cfg = Config(dict(steps=[dict(type='mmdet.LoadEncodedImage'), dict(type='mmdet.FusedSSDAugment', scale=(8, 8))]))
    assert len(pickle.loads(pickle.dumps(Compose(cfg.steps))).transforms) == 2
