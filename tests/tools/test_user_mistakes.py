"""What a careless user does, on the command line and through the registries: one line, or the right result."""

import os
import shutil
import signal

import numpy as np
import pytest
import torch
from mmdet.apis import init_detector
from mmdet.registry import DATASETS, MODELS, TASK_UTILS, TRANSFORMS
from mmdet.structures import DetDataSample
from mmdet.structures.bbox import HorizontalBoxes
from mmengine.structures import InstanceData
from PIL import Image

from ssd_plugin.errors import UserError
from tests.engine.tiny_runner import tiny_runner
from tests.support import config

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'
PRIORS = 'model.bbox_head.prior_generator'
QUICK = (
    'train_cfg.max_iters=1',
    'train_cfg.val_interval=1',
    'train_dataloader.batch_size=2',
    'train_dataloader.num_workers=0',
    'train_dataloader.persistent_workers=False',
)


@pytest.fixture
def voc(shapes, tmp_path):
    """A copy of the drawn dataset in VOC layout alone, to be damaged."""
    folder = shutil.copytree(shapes, tmp_path / 'voc', ignore=shutil.ignore_patterns('*.json'))
    return folder, (folder / 'ImageSets/Main/train.txt')


@pytest.fixture
def train(run_tool, shapes):
    """Train for one iteration on the drawn data."""

    def run(*options, arguments=(), data=shapes):
        return run_tool('train.py', CONFIG, *arguments, '--cfg-options', f'data_root={data}', *QUICK, *options)

    return run


def test_boxes_that_were_drawn_on_the_unrotated_image_are_rotated_in_the_repaired_copy(run_tool, voc, tmp_path):
    folder, listing = voc
    for name in listing.read_text().split():
        path, exif = folder / f'JPEGImages/{name}.jpg', Image.Exif()
        exif[0x112] = 6
        with Image.open(path) as image:
            image.save(path, exif=exif)
    assert run_tool('check_dataset.py', folder, '--fix', 'fixed').returncode == 1
    text = (tmp_path / f'fixed/Annotations/{name}.xml').read_text()
    before = (folder / f'Annotations/{name}.xml').read_text()

    def first(text, tag):
        return float(text.split(f'<{tag}>')[1].split('<')[0])

    assert [first(text, side) for side in ('width', 'height')] == [240, 320]
    # Clockwise by 90 degrees: x is the distance from the bottom of the 240 rows, both counted from 1.
    expected = [241 - first(before, 'ymax'), first(before, 'xmin'), 241 - first(before, 'ymin'), first(before, 'xmax')]
    assert [first(text, side) for side in ('xmin', 'ymin', 'xmax', 'ymax')] == expected


def test_a_list_of_file_names_with_a_byte_order_mark_loses_no_image(run_tool, voc, tmp_path):
    folder, listing = voc
    names = listing.read_text().split()
    listing.write_bytes(b'\xef\xbb\xbf' + ''.join(f'{name}.jpg\n' for name in names).encode())
    result = run_tool('check_dataset.py', folder, '--fix', 'fixed')
    # And the four of the test split.
    assert f'{folder}: {len(names) + 4} images' in result.stdout
    assert len((tmp_path / 'fixed/ImageSets/Main/train.txt').read_text().split()) == len(names)


def test_float_images_give_float_images_every_time():
    np.random.seed(0)
    augment = TRANSFORMS.build(dict(type='FusedSSDAugment', scale=(96, 64)))
    for _ in range(40):
        sample = dict(
            img=np.random.randint(0, 256, (120, 160, 3)).astype(np.float32),
            gt_bboxes=HorizontalBoxes(np.array([[20.0, 30, 80, 90]], dtype=np.float32)),
            gt_bboxes_labels=np.array([0]),
            gt_ignore_flags=np.array([False]),
        )
        result = augment.transform(sample)
        assert result['img'].dtype == np.float32 and result['homography_matrix'].shape == (3, 3)


def test_masks_and_images_by_category_are_those_of_coco(shapes):
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations', with_bbox=True, with_mask=True)]
    dataset = DATASETS.build(
        dict(
            type='SharedCocoDataset',
            data_root=str(shapes),
            ann_file='instances_train.json',
            data_prefix=dict(img='JPEGImages/'),
            metainfo=dict(classes=('circle', 'square', 'triangle', 'star')),
            pipeline=pipeline,
        )
    )
    assert len(dataset[0]['gt_masks']) == len(dataset[0]['gt_bboxes'])
    assert sorted(dataset.cat_img_map) == [1, 2, 3, 4]


def test_a_prior_generator_and_a_box_coder_have_the_methods_of_mmdetections():
    priors = TASK_UTILS.build(
        dict(type='SSDPriorGenerator', input_size=300, strides=[8], aspect_ratios=[[2]], scales=[0.1])
    )
    grid = priors.single_level_grid_priors((38, 38), 0, device='cpu')
    torch.testing.assert_close(priors.sparse_priors(torch.tensor([0, 9]), (38, 38), 0, device='cpu'), grid[[0, 9]])
    assert priors.base_anchors[0].shape == (4, 4)
    prior = torch.tensor([[0.0, 0, 10, 10]])
    boxes = TASK_UTILS.build(dict(type='VarianceBBoxCoder')).decode(prior, torch.zeros(1, 8))
    assert boxes.tolist() == [[0, 0, 10, 10] * 2]
    boxes = TASK_UTILS.build(dict(type='VarianceBBoxCoder', use_box_type=True)).decode(prior, torch.zeros(1, 4))
    assert isinstance(boxes, HorizontalBoxes) and boxes.tensor.tolist() == prior.tolist()


@pytest.mark.parametrize(
    'option, message',
    [
        ('max_iters=50', 'did you mean train_cfg.max_iters?'),
        ('modl.bbox_head.num_classes=9', 'did you mean model?'),
        ('lr', 'is not KEY=VALUE'),
        ('train_cfg.max_iter=5', "train_cfg has no key 'max_iter'"),
        ('train_dataloader.batch_size=0', 'train_dataloader.batch_size must be 1 or more'),
        ('train_dataloader.batchsize=4', 'did you mean batch_size?'),
        ('optim_wrapper.optimizer.lr=-1', 'optim_wrapper: Invalid learning rate: -1'),
        ('optim_wrapper.optimizer.momentum=1', "optim_wrapper.optimizer has no key 'momentum'"),
        ('model.bbox_head.num_clases=9', 'did you mean num_classes?'),
        ('model.bbox_head.num_classes=9', 'num_classes is 9, but train_dataloader.dataset has 4'),
        ('model.bbox_head.type=MultiBoxHed', 'did you mean MultiBoxHead?'),
        ('model.bbox_head.in_channels=[64,128,256]', 'levels do not agree'),
        (f'{PRIORS}.input_size=[300,300]', 'the scale of the pipeline of train_dataloader.dataset is (320, 240)'),
        ('train_dataloader.dataset.metainfo.classes=circle', 'needs a comma'),
        ('train_dataloader.dataset.augment.zoom_out_prob=7', 'zoom_out_prob must be a number from 0 to 1, got 7'),
        ('model.backbone.frozen_stages=-2', 'frozen_stages'),
    ],
)
def test_a_mistake_in_an_option_is_one_line_before_the_log(option, message, train, tmp_path):
    result = train(option)
    assert result.returncode > 0 and message in result.stderr.splitlines()[-1]
    assert 'Traceback' not in result.stderr and not list(tmp_path.iterdir())


@pytest.mark.parametrize('folder', ['/proc/foo', 'file'])
def test_a_work_dir_that_cannot_be_one_is_one_line(folder, train, tmp_path):
    (tmp_path / 'file').touch()
    result = train(arguments=('--work-dir', folder))
    assert result.returncode == 1 and 'Traceback' not in result.stderr
    assert f'nothing can be written to the folder {folder} (work_dir)' in result.stderr.splitlines()[-1]


def test_other_priors_than_those_of_the_training_are_refused(train, run_tool, shapes, tmp_path):
    assert train(arguments=('--work-dir', 'w')).returncode == 0
    options = (f'data_root={shapes}', f'{PRIORS}.sizes=[[9,32],[45,64],[84,110],[130,160]]')
    result = run_tool('test.py', CONFIG, tmp_path / 'w/iter_1.pth', '--cfg-options', *options)
    assert result.returncode == 1 and f'{PRIORS}.sizes was [[20, 32]' in result.stderr.splitlines()[-1]
    resumed = train(arguments=('--work-dir', 'w', '--resume'))
    assert 'There is nothing left to train' in resumed.stdout + resumed.stderr


@pytest.mark.parametrize(
    'options, message',
    [
        (('--min-score', '7'), 'must be in 0..1, got 7'),
        (('--top-k', '-3'), 'top_k'),
        (('--device', 'gpu'), "device 'gpu' cannot be used"),
    ],
)
def test_a_mistake_in_the_options_of_detect_is_one_line(options, message, run_tool, shapes, shapes_checkpoint):
    image = next((shapes / 'JPEGImages').iterdir())
    result = run_tool('detect.py', image, '--config', CONFIG, '--checkpoint', shapes_checkpoint, *options)
    assert result.returncode == 1 and message in result.stderr.splitlines()[-1] and 'Traceback' not in result.stderr


def test_an_empty_file_beside_images_is_named_and_the_rest_is_detected(run_tool, shapes, shapes_checkpoint, tmp_path):
    folder = tmp_path / 'images'
    folder.mkdir()
    source = next((shapes / 'JPEGImages').iterdir())
    shutil.copy(source, folder / 'no_suffix')
    with Image.open(source) as image:
        image.save(folder / 'image.gif')
    (folder / 'empty.jpg').touch()
    result = run_tool('detect.py', folder, '--config', CONFIG, '--checkpoint', shapes_checkpoint)
    assert result.returncode == 0 and ' in 2 image(s)' in result.stdout and 'empty.jpg (it is empty)' in result.stdout


def test_the_same_image_for_training_and_evaluation_is_named_as_a_leak(run_tool, voc):
    folder, listing = voc
    name, other = (path.read_text().split()[0] for path in (listing, folder / 'ImageSets/Main/test.txt'))
    shutil.copy(folder / f'JPEGImages/{name}.jpg', folder / f'JPEGImages/{other}.jpg')
    result = run_tool('check_dataset.py', folder)
    assert result.returncode == 1 and 'evaluation would see a training image' in result.stdout


def test_samples_without_ignored_objects_or_with_their_boxes_alone_have_a_loss():
    head = MODELS.build(config('demo/ssd_depthwise_shapes.py').model).bbox_head
    feats = [torch.rand(1, *shape) for shape in ((64, 30, 40), (128, 15, 20), (256, 8, 10), (256, 4, 5))]
    sample = DetDataSample(metainfo=dict(img_shape=(240, 320)))
    sample.gt_instances = InstanceData(bboxes=torch.tensor([[10.0, 10, 60, 60]]), labels=torch.tensor([0]))
    for ignored in (None, InstanceData(bboxes=torch.tensor([[200.0, 100, 220, 120]]))):
        if ignored is not None:
            sample.ignored_instances = ignored
        assert all(torch.isfinite(torch.as_tensor(value)).all() for value in head.loss(feats, [sample]).values())


def test_a_training_that_raises_leaves_the_signals_as_they_were(tmp_path):
    def fail(iteration):
        raise ZeroDivisionError

    numbers = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)
    before = [signal.getsignal(number) for number in numbers]
    try:
        with pytest.raises(ZeroDivisionError):
            tiny_runner(tmp_path, fail).train()
        assert [signal.getsignal(number) for number in numbers] == before
    finally:
        for number, handler in zip(numbers, before):
            signal.signal(number, handler)


def test_ctrl_c_in_a_training_saves_a_checkpoint(tmp_path):
    def interrupt(iteration):
        if iteration == 2:
            os.kill(os.getpid(), signal.SIGINT)

    try:
        tiny_runner(tmp_path, interrupt).train()
    except KeyboardInterrupt:
        pytest.fail('the training did not handle the signal')
    assert [path.name for path in tmp_path.glob('*.pth')] == ['iter_2.pth']


def test_mmengines_loop_of_epochs_ends(tmp_path):
    iterations = []

    def count(iteration):
        iterations.append(iteration)
        assert iteration <= 10

    tiny_runner(tmp_path, count, train_cfg=dict(type='EpochBasedTrainLoop', max_epochs=2)).train()
    assert len(iterations) == 10


def test_a_second_training_in_a_work_dir_is_refused_while_the_first_lives(tmp_path):
    statuses = []

    def start_another(iteration):
        if iteration == 1:
            child = os.fork()
            if child == 0:
                try:
                    tiny_runner(tmp_path).train()
                except UserError as error:
                    os._exit(7 if 'another training writes to' in str(error) else 8)
                finally:
                    os._exit(0)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

    tiny_runner(tmp_path, start_another).train()
    assert statuses == [7]


def test_mmdetection_finds_our_configs_by_name():
    assert type(init_detector(CONFIG, device='cpu').bbox_head).__name__ == 'MultiBoxHead'
