import copy

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS, TRANSFORMS
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.config import Config

from ssd_plugin.datasets.transforms import MosaicSSDAugment
from tests.support import CONFIGS

SIZE = (64, 48)
COLORS = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
PLAIN = dict(
    type='FusedSSDAugment',
    scale=SIZE,
    fill=[9, 9, 9],
    zoom_out_prob=0,
    constraints=(None,),
    flip_prob=0,
    brightness=0,
    contrast=(1, 1),
    saturation=(1, 1),
    hue=0,
)


def image(color, boxes=([10, 10, 50, 30],), label=0):
    """Return a sample of 100x80 pixels of one color, with white objects."""
    pixels = np.full((80, 100, 3), color, np.uint8)
    for x1, y1, x2, y2 in boxes:
        pixels[y1:y2, x1:x2] = 255
    return dict(
        img=pixels,
        img_shape=(80, 100),
        img_path=f'{label}.jpg',
        gt_bboxes=np.array(boxes, np.float32).reshape(-1, 4),
        gt_bboxes_labels=np.full(len(boxes), label),
        gt_ignore_flags=np.zeros(len(boxes), bool),
        gt_note=[f'note {label}'] * len(boxes),
    )


def four():
    first, *others = [image(color, label=label) for label, color in enumerate(COLORS)]
    return dict(first, mix_results=others)


def mosaic(results, **options):
    return TRANSFORMS.build(dict(type='MosaicSSDAugment', augment=PLAIN, **options))(copy.deepcopy(results))


def test_each_quarter_shows_an_image_and_boxes_lie_on_their_pixels():
    np.random.seed(3)
    for _ in range(20):
        found = mosaic(four())
        assert found['img'].shape == (48, 64, 3) and found['img_shape'] == (48, 64) and found['img_path'] == '0.jpg'
        assert found['gt_bboxes_labels'].tolist() == [0, 1, 2, 3] and found['gt_note'] == [
            f'note {i}' for i in range(4)
        ]
        for color, corner in zip(COLORS, [(0, 0), (0, -1), (-1, 0), (-1, -1)]):
            assert found['img'][corner].tolist() == list(color)
        white = (found['img'] > 200).all(axis=2).astype(np.uint8)
        number, _, stats, _ = cv2.connectedComponentsWithStats(white, connectivity=4)
        assert number == 5
        drawn = sorted([x, y, x + w, y + h] for x, y, w, h, _ in stats[1:].tolist())
        assert np.abs(np.array(sorted(found['gt_bboxes'].tolist())) - drawn).max() < 1.5


def test_a_mosaic_of_float_images_is_that_of_8_bits():
    found = []
    for dtype in (np.uint8, np.float32):
        np.random.seed(3)
        sample = four()
        for tile in (sample, *sample['mix_results']):
            tile['img'] = tile['img'].astype(dtype)
        found.append(mosaic(sample))
    assert found[1]['img'].dtype == np.float32 and (found[0]['img'] == found[1]['img']).all()
    # There is none for four images.
    assert 'homography_matrix' not in found[0]


def test_the_point_of_division_is_uniform_in_its_range():
    np.random.seed(0)
    seams = []
    for _ in range(300):
        columns = mosaic(four(), split=(0.25, 0.75))['img'][0]
        seams.append((columns != columns[0]).any(axis=1).argmax())
    assert min(seams) in (16, 17) and max(seams) in (47, 48) and abs(np.mean(seams) - 32) < 2


def test_each_quarter_is_distorted_on_its_own():
    augment = dict(PLAIN, crop_sampling='sides', color_jitter='torchvision', brightness=(0.5, 0.5))
    transform = TRANSFORMS.build(dict(type='MosaicSSDAugment', augment=augment))
    np.random.seed(0)
    darkened = set()
    for _ in range(100):
        found = transform(four())['img']
        corners = found[[0, 0, -1, -1], [0, -1, 0, -1]]
        darkened.add(tuple((corners.max(axis=1) == 125).tolist()))
        assert set(corners.max(axis=1).tolist()) <= {125, 250}
    assert len(darkened) == 16


def test_without_a_mosaic_one_image_is_augmented_alone():
    transform = TRANSFORMS.build(dict(type='MosaicSSDAugment', augment=PLAIN))
    plain = TRANSFORMS.build(PLAIN)(image(COLORS[0]))
    transform.active.fill_(False)
    for found in (mosaic(four(), prob=0.0), transform(four())):
        assert 'mix_results' not in found and (found['img'] == plain['img']).all()
        assert found['gt_bboxes'].tolist() == plain['gt_bboxes'].tolist()


def test_mmdetections_boxes_and_images_without_objects_go_through():
    results = four()
    for part in (results, *results['mix_results']):
        part['gt_bboxes'] = HorizontalBoxes(part['gt_bboxes'])
    results['mix_results'][1] = dict(image(COLORS[2], boxes=()), gt_bboxes=HorizontalBoxes(torch.zeros(0, 4)))
    found = mosaic(results)
    assert isinstance(found['gt_bboxes'], HorizontalBoxes) and len(found['gt_bboxes']) == 3
    assert found['gt_bboxes_labels'].tolist() == [0, 1, 3]


class Damaged:
    """An encoded image that turns out to be damaged."""

    size = (100, 80)

    def decode(self, reduced):
        return None


def damaged(part):
    del part['img']
    part['encoded_img'] = Damaged()


def test_a_damaged_image_leaves_its_quarter_empty_or_gives_way_to_another():
    results = four()
    damaged(results)
    found = mosaic(results)
    assert found['img'][0, 0].tolist() == [9, 9, 9] and found['gt_bboxes_labels'].tolist() == [1, 2, 3]
    found = mosaic(results, prob=0.0)
    assert found['img'][0, 0].tolist() == list(COLORS[1])
    for part in results['mix_results']:
        damaged(part)
    assert mosaic(results) is None and mosaic(results, prob=0.0) is None


def test_a_division_outside_the_image_is_refused():
    with pytest.raises(ValueError, match='split'):
        mosaic(four(), split=(0.8, 0.3))


def test_the_modern_recipe_mixes_the_images_of_its_dataset(shapes):
    cfg = Config.fromfile(CONFIGS / 'bccd/comparison/bccd_modern.py').train_dataloader.dataset
    inner = dict(
        cfg.dataset,
        data_root=str(shapes),
        ann_file='ImageSets/Main/train.txt',
        metainfo=dict(classes=('square', 'disk', 'triangle')),
    )
    dataset = DATASETS.build(dict(cfg, dataset=inner))
    np.random.seed(0)
    counts = [len(dataset[index % len(dataset)]['data_samples'].gt_instances) for index in range(60)]
    step = next(step for step in dataset.pipeline if isinstance(step, MosaicSSDAugment))
    step.active.fill_(False)
    plain = [len(dataset[index % len(dataset)]['data_samples'].gt_instances) for index in range(60)]
    assert np.mean(counts) > 1.5 * np.mean(plain) > 0
