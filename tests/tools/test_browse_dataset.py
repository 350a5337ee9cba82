import runpy

import cv2
import numpy as np
import pytest
import torch
from mmdet.registry import DATASETS

from ssd_plugin.analysis.sample_sheets import HEIGHT, TITLE, contact_sheet, ground_truth_sheet, stages
from ssd_plugin.configs import read_config
from ssd_plugin.datasets.folders import describe
from ssd_plugin.errors import UserError
from tests.sample_folders import voc_folders
from tests.sample_folders.samples import Sample, write_image, write_text
from tests.support import ROOT, disk_with_room_for

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'


@pytest.fixture(
    params=[
        dict(brightness=32.0),
        dict(crop_sampling='sides', color_jitter='torchvision', brightness=(0.5, 1.5), hue=25.4),
    ],
    ids=['release', 'tutorial'],
)
def dataset(shapes, request):
    cfg = read_config(CONFIG, dict(data_root=str(shapes)))
    cfg.train_dataloader.dataset.augment.update(
        zoom_out_prob=1.0, zoom_out_ratio=(2, 3), constraints=(0.0,), **request.param
    )
    return DATASETS.build(cfg.train_dataloader.dataset)


def test_a_sheet_has_a_cell_for_each_sample(dataset):
    sheet = contact_sheet(dataset, [0, 1, 2], columns=2)
    assert sheet.dtype == torch.uint8 and sheet.shape == (3, 2 * (HEIGHT + TITLE) + 18, 2 * 400 + 18)


def test_images_of_one_channel_are_shown_in_gray(shapes):
    cfg = read_config(CONFIG, dict(data_root=str(shapes)))
    cfg.train_dataloader.dataset.pipeline.insert(-1, dict(type='ToGray'))
    dataset = DATASETS.build(cfg.train_dataloader.dataset)
    colors = stages(dataset, 0, seed=3)
    gray = colors[:, TITLE + 6 : TITLE + 6 + HEIGHT, -200:-100]
    assert contact_sheet(dataset, [0, 1], columns=2).shape[0] == 3 and colors.shape[0] == 3
    # Most of the last stage is gray, but for the boxes.
    assert (gray.amax(dim=0) == gray.amin(dim=0)).float().mean() > 0.5


def test_stages_show_window_sample_and_colors(dataset):
    sheet = stages(dataset, 0, seed=3)
    assert sheet.shape[1] == HEIGHT + TITLE + 12
    width = (sheet.shape[2] - 6) // 3
    window, sampled, result = (sheet[:, 6 + TITLE : -6, 6 + i * width : i * width + width].float() for i in range(3))
    # The last two differ in color only, so their levels are nearly linear in each other.
    assert np.corrcoef(sampled.flatten(), result.flatten())[0, 1] > 0.7
    assert ((window - sampled).abs() > 30).float().mean() > 0.1
    assert torch.equal(sheet, stages(dataset, 0, seed=3))


def test_each_step_of_mmdetection_is_a_stage_in_whole_levels(shapes):
    cfg = read_config(CONFIG, dict(data_root=str(shapes)))
    data = cfg.train_dataloader.dataset
    data.augment = None
    data.pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations', with_bbox=True),
        dict(type='RandomFlip', prob=1.0),
        # Its result has fractional levels.
        dict(type='PhotoMetricDistortion'),
        dict(type='PackDetInputs'),
    ]
    built = DATASETS.build(data)
    # Four steps have an image.
    shown, sheet = stages(built, 0, seed=0), contact_sheet(built, [0], columns=1)
    assert shown.shape[2] == 4 * (400 + 6) + 6
    assert shown.dtype == sheet.dtype == torch.uint8


def test_stages_show_the_images_of_a_mosaic(shapes):
    cfg = read_config(CONFIG, dict(data_root=str(shapes)))
    data = cfg.train_dataloader.dataset
    *loading, augment, packing = data.pipeline
    mixed = dict(
        type='AugmentedMixDataset',
        augment=data.pop('augment'),
        dataset={**data, 'pipeline': loading},
        pipeline=[dict(type='MosaicSSDAugment', augment=augment), packing],
    )
    # Four images and their mosaic.
    assert (
        stages(DATASETS.build(dict(type='RepeatDataset', dataset=mixed, times=2)), 0, seed=0).shape[2]
        == 5 * (400 + 6) + 6
    )


def test_tool_writes_a_figure(run_tool, shapes, tmp_path):
    result = run_tool('browse_dataset.py', CONFIG, '--number', '3', '--cfg-options', f'data_root={shapes}')
    assert result.returncode == 0, result.stderr
    assert cv2.imread(str(tmp_path / 'browse_dataset.png')).shape == (334, 1224, 3)
    for arguments, message in (
        (('--stages', '99'), 'images 0 to 11'),
        (('--number', '0'), '1 or more'),
        (('--columns', '-1'), '1 or more'),
        (('--out', 'nowhere/a.png'), 'no folder nowhere'),
    ):
        refused = run_tool('browse_dataset.py', CONFIG, *arguments, '--cfg-options', f'data_root={shapes}')
        assert refused.returncode > 0 and message in refused.stderr and 'Traceback' not in refused.stderr


def test_a_sheet_that_cannot_be_written_is_one_line_and_leaves_nothing(shapes, tmp_path, monkeypatch, capsys):
    """A limit of the size of files stands for a full disk, in which the check of the folder finds no room either."""
    options = ['--number', '2', '--cfg-options', f'data_root={shapes}']
    monkeypatch.setattr('sys.argv', ['browse_dataset.py', CONFIG, '--out', str(tmp_path / 'sheet.png'), *options])
    with disk_with_room_for(100_000), pytest.raises(SystemExit):
        runpy.run_path(str(ROOT / 'tools/browse_dataset.py'), run_name='__main__')
    error = capsys.readouterr().err
    assert error == f'error: nothing can be written to the folder {tmp_path} ({tmp_path}/sheet.png): File too large\n'
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_shown_without_a_config(run_tool, tmp_path):
    voc_folders.annots(tmp_path / 'mine')
    result = run_tool('browse_dataset.py', 'mine', '--number', '3', '--columns', '3')
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith('mine is VOC XML (mine/annots): 6 images in all')
    assert cv2.imread(str(tmp_path / 'browse_dataset.png')).shape[0] == 334
    for arguments, message in (
        (('mine', '--stages'), 'need a config'),
        (('mine', '--format', 'yolo'), 'no annotations in a known format (YOLO txt)'),
        (('mine', '--images', 'nowhere'), 'no such folder'),
    ):
        refused = run_tool('browse_dataset.py', *arguments)
        assert refused.returncode > 0 and message in refused.stderr and refused.stderr.count('\n') == 1


@pytest.mark.parametrize('scale', [1, 5])
def test_boxes_are_drawn_where_training_reads_them(tmp_path, scale):
    """A box of an image that was annotated five times as large is scaled."""
    sample = Sample('a', 'train', (400, 300), (('cat', (100, 150, 200, 250)),))
    image = write_image(tmp_path / 'a.png', sample)
    cv2.imwrite(str(image), np.zeros((300, 400, 3), np.uint8))
    write_text(tmp_path / 'a.xml', voc_folders.xml_text(sample, scale=scale))
    sheet = ground_truth_sheet(describe(tmp_path), 1, 1, 0)[:, TITLE:]
    # Both lines of the box, and nothing else that far from the name in its corner.
    bright = (sheet.amax(0) > 100).nonzero()
    low, high = bright.amin(0).tolist(), bright.amax(0).tolist()
    assert low == pytest.approx([150, 100], abs=2) and high == pytest.approx([250, 200], abs=2)


def test_a_folder_whose_images_cannot_be_read_is_one_line(tmp_path):
    voc_folders.beside(tmp_path)
    for path in tmp_path.glob('*.jpg'):
        path.write_bytes(b'<html>')
    with pytest.raises(UserError, match='has no image that can be read'):
        ground_truth_sheet(describe(tmp_path), 1, 1, 0)
