"""The whole path on tiny data, through the tools and MMEngine's real Runner."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess

import pytest
import torch
from mmdet.apis import DetInferencer
from mmdet.registry import DATASETS
from mmengine.fileio import load

from ssd_plugin.prepare.drawn_shapes import CLASSES
from tests.support import CONFIGS, ROOT, run_tool_in

CONFIG = 'ssd_plugin::demo/ssd_depthwise_shapes.py'


def options(data, iterations=4, **more):
    values = {
        'data_root': data,
        'train_cfg.max_iters': iterations,
        'train_cfg.val_interval': 2,
        'train_dataloader.batch_size': 4,
        'train_dataloader.num_workers': 1,
        'default_hooks.checkpoint.interval': 2,
        'default_hooks.logger.interval': 1,
        'param_scheduler.0.end': 2,
        'param_scheduler.1.begin': 2,
        'param_scheduler.1.end': 4,
        **more,
    }
    return ['--cfg-options', *(f'{key}={value}' for key, value in values.items())]


def output(result):
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
    return result.stdout + result.stderr


def log_of(work_dir):
    """Return the log files of the runs in a work dir, which hold more than the terminal."""
    return ''.join(path.read_text() for path in sorted(work_dir.glob('*/*.log')))


def losses(text):
    return {int(step): float(loss) for step, loss in re.findall(r'Iter\(train\) \[\s*(\d+)/\d+\].*? loss: (\S+)', text)}


@pytest.fixture(scope='module')
def trained(shapes, tmp_path_factory):
    """A work dir after a short training, by the command line."""
    folder = tmp_path_factory.mktemp('work')
    command = ('train.py', CONFIG, '--work-dir', folder / 'run', *options(shapes))
    return folder / 'run', output(run_tool_in(folder, *command))


def test_training_logs_evaluates_and_saves(trained):
    work_dir, text = trained
    assert sorted(losses(text)) == [1, 2, 3, 4] and 'nan' not in text.lower()
    assert 'pascal_voc/AP50' in text
    # No memory is pinned where there is nothing to pin it for, which PyTorch would warn of.
    assert 'no accelerator is found' not in text
    recipe = text.index('recipe: ')
    assert recipe < text.index('it inherits:') < text.index('default_runtime.py') < text.index('mmengine - INFO')
    # What is long goes to the log file.
    assert len(text[: text.index('Iter(train)')].splitlines()) < 60
    long = ('System environment:', 'Config:', 'Hooks will be executed', 'paramwise_options')
    assert all(part not in text and part in log_of(work_dir) for part in long)
    assert {'iter_2.pth', 'iter_4.pth', 'last_checkpoint'} <= {path.name for path in work_dir.iterdir()}


def test_resume_goes_on_from_the_newest_checkpoint(trained, shapes, run_tool, tmp_path):
    work_dir = shutil.copytree(trained[0], tmp_path / 'run')
    (work_dir / 'last_checkpoint').write_text(str(work_dir / 'iter_2.pth'))
    text = output(run_tool('train.py', CONFIG, '--work-dir', work_dir, '--resume', *options(shapes)))
    assert sorted(losses(text)) == [3, 4]
    weights = torch.load(work_dir / 'iter_4.pth', weights_only=True)
    assert weights['meta']['iter'] == 4 and weights['message_hub']['log_scalars']


def test_evaluation_gives_both_metrics_and_dumps_detections(trained, shapes, run_tool, tmp_path):
    text = output(
        run_tool(
            'test.py',
            CONFIG,
            trained[0] / 'iter_4.pth',
            '--work-dir',
            tmp_path / 'test',
            '--out',
            tmp_path / 'found.pkl',
            '--show-dir',
            'figures',
            *options(shapes),
        )
    )
    assert 'pascal_voc/AP50' in text and 'coco/bbox_mAP_50' in text and (tmp_path / 'found.pkl').is_file()
    assert len(list((tmp_path / 'test').rglob('figures/**/*.jpg'))) == 4


def test_an_empty_image_is_named_and_counted_and_the_rest_is_evaluated(shapes_checkpoint, shapes, run_tool, tmp_path):
    data = shutil.copytree(shapes, tmp_path / 'data')
    names = [f'{name}.jpg' for name in (data / 'ImageSets/Main/test.txt').read_text().split()]
    (data / 'JPEGImages' / names[1]).write_bytes(b'')
    drawn = ('--work-dir', 'test', '--show-dir', 'figures')
    text = output(run_tool('test.py', CONFIG, shapes_checkpoint, *drawn, '--cfg-options', f'data_root={data}'))
    assert f'{names[1]} is evaluated as a gray image: it is empty' in text
    assert '1 of the 4 images could not be read' in text and 'coco/bbox_mAP_50' in text
    figures = next((tmp_path / 'test').glob('*/figures'))
    assert sorted(path.name.split('_')[0] for path in figures.iterdir()) == [names[0], names[2], names[3]]


def test_a_jpeg_that_is_cut_off_is_named_before_training_and_costs_its_objects_only(shapes, run_tool, tmp_path):
    data = shutil.copytree(shapes, tmp_path / 'data')
    name = (data / 'ImageSets/Main/test.txt').read_text().split()[1]
    image = data / f'JPEGImages/{name}.jpg'
    image.write_bytes(image.read_bytes()[:-20])
    text = output(run_tool('train.py', CONFIG, '--work-dir', tmp_path / 'run', *options(data, 2)))
    named = '1 of the 4 images for validation cannot be read'
    assert text.index(named) < text.index(f'{image}: it is cut off') < text.index('Iter(train)')
    gray = text.index('1 of the 4 images could not be read and were evaluated as gray ones')
    assert text.index('Iter(val)') < gray
    assert 'pascal_voc/AP50' in text


def test_detect_gives_the_detections_of_the_evaluation(trained, shapes, run_tool, tmp_path):
    output(
        run_tool(
            'test.py',
            CONFIG,
            trained[0] / 'iter_4.pth',
            '--work-dir',
            tmp_path / 'test',
            '--out',
            tmp_path / 'found.pkl',
            *options(shapes),
        )
    )
    expected = {
        str(sample['img_path']).rsplit('/', 1)[-1]: sample['pred_instances'] for sample in load(tmp_path / 'found.pkl')
    }
    output(
        run_tool(
            'detect.py',
            *(str(shapes / 'JPEGImages' / name) for name in expected),
            '--config',
            CONFIG,
            '--checkpoint',
            trained[0] / 'iter_4.pth',
            '--out-dir',
            tmp_path / 'out',
        )
    )
    found = json.loads((tmp_path / 'out/detections.json').read_text())
    assert len(found['images']) == len(expected)
    for image in found['images']:
        ours = [a for a in found['annotations'] if a['image_id'] == image['id']]
        theirs = expected[image['file_name'].rsplit('/', 1)[-1]]
        torch.testing.assert_close(torch.tensor([a['score'] for a in ours]), theirs['scores'], rtol=1e-4, atol=1e-5)
        corners = torch.tensor([a['bbox'] for a in ours])
        corners[:, 2:] += corners[:, :2]
        torch.testing.assert_close(corners, theirs['bboxes'], rtol=1e-3, atol=0.05)


def test_detect_reads_folders_and_globs_and_names_unreadable_files(trained, shapes, run_tool, tmp_path):
    folder = tmp_path / 'in'
    (folder / 'deep').mkdir(parents=True)
    names = sorted((shapes / 'JPEGImages').iterdir())[:2]
    shutil.copy(names[0], folder / 'a.jpg')
    shutil.copy(names[1], folder / 'deep' / 'a.jpg')
    (folder / 'broken.png').write_bytes(b'no image')
    (folder / 'notes.txt').write_text('no image')
    shutil.copy(names[0], folder / 'without_suffix')
    text = output(
        run_tool(
            'detect.py',
            folder,
            f'{folder}/*.jpg',
            '--config',
            CONFIG,
            '--checkpoint',
            trained[0] / 'iter_4.pth',
            '--out-dir',
            tmp_path / 'out',
            '--min-score',
            '0.2',
            '--top-k',
            '3',
            '--max-overlap',
            '0.3',
        )
    )
    found = json.loads((tmp_path / 'out/detections.json').read_text())
    assert [image['file_name'] for image in found['images']] == [
        str(folder / name) for name in ('a.jpg', 'deep/a.jpg', 'without_suffix')
    ]
    assert all(a['score'] >= 0.2 for a in found['annotations']) and len(found['annotations']) <= 9
    assert {path.name for path in (tmp_path / 'out').glob('*.jpg')} == {'a.jpg', 'a-2.jpg', 'without_suffix.jpg'}
    assert '1 file(s) could not be read' in text and 'broken.png' in text
    assert f'1 other file(s) in the folders are not images: {folder}/notes.txt' in text


def test_detect_names_a_pattern_without_images(trained, run_tool, tmp_path):
    result = run_tool('detect.py', 'nowhere/*.jpg', '--config', CONFIG, '--checkpoint', trained[0] / 'iter_4.pth')
    assert (
        result.returncode == 1 and 'nowhere/*.jpg names no image' in result.stderr and 'Traceback' not in result.stderr
    )


@pytest.mark.parametrize(
    'arguments, message',
    [
        (('--suppress', 'heart'), "error: suppress names 'heart', but the classes of the model are: circle, square, "),
        (('--min-score', '1.5'), 'error: min_score must be in 0..1, got 1.5'),
        (('--min-score', '7'), 'error: min_score must be in 0..1, got 7; 7% is 0.07'),
        (('--top-k', '-3'), 'error: top_k must be 1 or more, got -3; without it'),
        (('--max-overlap', '-0.5'), 'error: max_overlap must be in 0..1, got -0.5'),
        (('--top-k', '0'), 'error: top_k must be 1 or more, got 0'),
        (('--draw-score', '30'), 'error: draw_score must be in 0..1, got 30'),
        (('--checkpoint', 'nowhere.pth'), 'error: there is no checkpoint nowhere.pth'),
    ],
)
def test_detect_refuses_wrong_arguments_in_one_line(arguments, message, shapes_checkpoint, shapes, run_tool, tmp_path):
    options = ('--config', CONFIG, '--checkpoint', shapes_checkpoint, *arguments)
    result = run_tool('detect.py', shapes / 'JPEGImages/000001.jpg', *options)
    assert result.returncode == 1 and message in result.stderr
    assert 'Traceback' not in result.stderr and not (tmp_path / 'detections').exists()


def test_detect_draws_what_it_finds_at_the_lowest_score_given(shapes_checkpoint, shapes, run_tool, tmp_path):
    image = shapes / 'JPEGImages/000001.jpg'
    pixels = {}
    for name, arguments in dict(
        plain=('--draw-score', '1'),
        found=('--min-score', '0.2'),
        same=('--min-score', '0.2', '--draw-score', '0.2'),
        above=('--min-score', '0.2', '--draw-score', '0.3'),
        default=(),
        suppressed=('--min-score', '0.2', '--suppress', *CLASSES),
    ).items():
        model = ('--config', CONFIG, '--checkpoint', shapes_checkpoint, '--max-overlap', '0.1')
        output(run_tool('detect.py', image, *model, '--out-dir', tmp_path / name, *arguments))
        pixels[name] = (tmp_path / name / '000001.jpg').read_bytes()
    scores = [row['score'] for row in json.loads((tmp_path / 'found/detections.json').read_text())['annotations']]
    assert any(score < 0.3 for score in scores) and any(score >= 0.3 for score in scores)
    assert pixels['found'] == pixels['same'] != pixels['above'] == pixels['default'] != pixels['plain']
    assert pixels['suppressed'] == pixels['plain']
    assert json.loads((tmp_path / 'suppressed/detections.json').read_text())['annotations'] == []


def test_mmdetections_inferencer_works_with_config_and_checkpoint(trained, shapes):
    inferencer = DetInferencer(
        str(CONFIGS / 'demo/ssd_depthwise_shapes.py'), str(trained[0] / 'iter_4.pth'), device='cpu', show_progress=False
    )
    image = next((shapes / 'JPEGImages').iterdir())
    result = inferencer(str(image), no_save_vis=True, no_save_pred=True)['predictions'][0]
    assert set(result) == {'labels', 'scores', 'bboxes'} and len(result['scores']) == len(result['bboxes']) > 0


def test_curves_are_plotted(trained, run_tool, tmp_path):
    output(run_tool('plot_log.py', trained[0], tmp_path / 'curves.png'))
    assert (tmp_path / 'curves.png').stat().st_size > 10000
    result = run_tool('plot_log.py', tmp_path)
    assert result.returncode == 1 and 'no log' in result.stderr


@pytest.mark.slow
def test_a_fresh_interpreter_trains_as_users_start_it(shapes, run_tool, tmp_path):
    few = options(shapes, 2, **{'model_wrapper_cfg.type': 'MMDistributedDataParallel'})
    command = ('dist_train.sh', CONFIG, '1', '--work-dir', tmp_path / 'run', *few)
    # Another job may hold torchrun's default port.
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):
            listener.bind(('127.0.0.1', 29500))
            listener.listen()
        text = output(run_tool(*command, fresh=True))
    assert sorted(losses(text)) == [1, 2] and 'pascal_voc/AP50' in text
    assert torch.load(tmp_path / 'run/iter_2.pth', weights_only=True)['meta']['iter'] == 2


@pytest.mark.slow
def test_two_processes_without_a_gpu_train_a_compiled_network_and_evaluate(shapes, run_tool, tmp_path):
    few = options(shapes, 2, **{'train_dataloader.num_workers': 0, 'train_dataloader.persistent_workers': False})
    # Its base has channels_last and EMA.
    config = tmp_path / 'compiled.py'
    config.write_text(
        f"_base_ = '{CONFIG}'\ncustom_hooks = [*_base_.custom_hooks, dict(type='CompileHook', backend='eager')]\n"
    )
    text = output(
        run_tool(
            'dist_train.sh',
            config,
            '2',
            '--work-dir',
            tmp_path / 'run',
            '--auto-scale-lr',
            *few,
            'model_wrapper_cfg.type=MMDistributedDataParallel',
        )
    )
    assert 'GPU number: 2' in log_of(tmp_path / 'run') and sorted(losses(text)) == [1, 2]
    # 2 processes x 4 images for a rate that stands for 16.
    assert 'Scaling the original LR by 0.5' in text
    text = output(
        run_tool(
            'dist_test.sh',
            CONFIG,
            tmp_path / 'run/iter_2.pth',
            '2',
            '--work-dir',
            tmp_path / 'test',
            *options(shapes),
        )
    )
    assert 'coco/bbox_mAP_50' in text and re.search(r'\| mAP', text)


def test_amp_trains_in_bfloat16_anywhere_and_in_float16_on_a_gpu_and_says_so_elsewhere(run_tool, shapes, tmp_path):
    result = run_tool('train.py', CONFIG, '--amp', '--work-dir', tmp_path / 'run', *options(shapes))
    if torch.cuda.is_available():
        output(result)
        assert 'AmpOptimWrapper' in log_of(tmp_path / 'run')
    else:
        assert (
            result.returncode == 1
            and 'error: --amp trains in float16, which needs a GPU, and none was found' in result.stderr
        )
    text = output(run_tool('train.py', CONFIG, '--amp', 'bfloat16', '--work-dir', tmp_path / 'run', *options(shapes)))
    assert (
        'BFloat16OptimWrapper' in log_of(tmp_path / 'run')
        and sorted(losses(text)) == [1, 2, 3, 4]
        and 'nan' not in text.lower()
    )


def test_a_slurm_job_is_started_with_the_arguments_given(run_tool, tmp_path):
    fake = tmp_path / 'bin'
    fake.mkdir()
    (fake / 'srun').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (fake / 'srun').chmod(0o755)
    result = run_tool(
        'slurm_train.sh',
        'part',
        'job',
        'configs/a b.py',
        'work dir',
        '--amp',
        GPUS='16',
        GPUS_PER_NODE='8',
        SRUN_ARGS='--time=1:00 --exclusive',
        PATH=f'{fake}:{os.environ["PATH"]}',
    )
    lines = output(result).splitlines()
    for expected in (
        '--gres=gpu:8',
        '--ntasks=16',
        '--ntasks-per-node=8',
        '--time=1:00',
        '--exclusive',
        'configs/a b.py',
        'work dir',
        '--amp',
    ):
        assert expected in lines


@pytest.mark.parametrize(
    'status, job, requeued', [(75, '17', True), (0, '17', False), (1, '17', False), (75, '', False)]
)
def test_a_preempted_slurm_job_is_requeued_and_goes_on(status, job, requeued, run_tool, tmp_path):
    fake = tmp_path / 'bin'
    fake.mkdir()
    for name, end in (('srun', status), ('scontrol', 0)):
        (fake / name).write_text(f'#!/usr/bin/env bash\necho "{name} $*"\nexit {end}\n')
        (fake / name).chmod(0o755)
    for restarts in ('0', '2'):
        result = run_tool(
            'slurm_train.sh',
            'part',
            'job',
            'a.py',
            'dir',
            PATH=f'{fake}:{os.environ["PATH"]}',
            SLURM_JOB_ID=job,
            SLURM_RESTART_COUNT=restarts,
        )
        assert result.returncode == status and ('scontrol requeue 17' in result.stdout) == requeued
        assert ('--resume auto' in result.stdout) == (restarts == '2')


def test_ctrl_c_stops_a_slurm_job_like_sigterm_without_a_requeue(tmp_path):
    for name, text in (
        ('srun', 'trap "echo saved; exit 75" TERM\necho started\nwhile true; do sleep 0.05; done'),
        ('scontrol', 'echo scontrol'),
    ):
        (tmp_path / name).write_text(f'#!/usr/bin/env bash\n{text}\n')
        (tmp_path / name).chmod(0o755)
    process = subprocess.Popen(
        ['bash', str(ROOT / 'tools/slurm_train.sh'), 'part', 'job', 'a.py', 'dir'],
        env={**os.environ, 'PATH': f'{tmp_path}:{os.environ["PATH"]}', 'SLURM_JOB_ID': '17'},
        stdout=subprocess.PIPE,
        start_new_session=True,
        text=True,
    )
    assert process.stdout.readline() == 'started\n'
    os.killpg(process.pid, signal.SIGINT)
    assert process.communicate(timeout=60)[0] == 'saved\n' and process.returncode == 75


def rename_classes(shapes, folder, kind):
    """The drawn data under the names, and in the folders, that the VOC and COCO configs expect."""
    if kind == 'voc':
        for year in ('VOC2007', 'VOC2012'):
            copy = shutil.copytree(shapes, folder / year)
            shutil.copy(copy / 'ImageSets/Main/train.txt', copy / 'ImageSets/Main/trainval.txt')
            for path in (copy / 'Annotations').iterdir():
                text = path.read_text()
                for old, new in zip(CLASSES, ('aeroplane', 'bicycle', 'bird', 'boat')):
                    text = text.replace(f'<name>{old}<', f'<name>{new}<')
                path.write_text(text)
        return
    (folder / 'annotations').mkdir(parents=True)
    for old, new in (('train', 'train2017'), ('test', 'val2017')):
        shutil.copytree(shapes / 'JPEGImages', folder / new)
        coco = json.loads((shapes / f'instances_{old}.json').read_text())
        coco['categories'] = [
            dict(id=i + 1, name=name) for i, name in enumerate(DATASETS.get('CocoDataset').METAINFO['classes'])
        ]
        (folder / f'annotations/instances_{new}.json').write_text(json.dumps(coco))


@pytest.mark.slow
@pytest.mark.parametrize('kind', ['voc', 'coco'])
def test_ssd300_trains_on_the_layouts_of_voc_and_coco(kind, shapes, run_tool, tmp_path):
    rename_classes(shapes, tmp_path / 'data', kind)
    few = options(tmp_path / 'data', 2, **{'train_dataloader.batch_size': 2, 'val_dataloader.batch_size': 4})
    text = output(
        run_tool(
            'train.py',
            f'ssd_plugin::ssd300_{kind}.py',
            '--work-dir',
            tmp_path / 'run',
            *few,
            'model.backbone.init_cfg=None',
            'env_cfg.cudnn_benchmark=False',
        )
    )
    assert sorted(losses(text)) == [1, 2]
    assert ('pascal_voc/mAP' if kind == 'voc' else 'coco/bbox_mAP') in text


@pytest.mark.slow
@pytest.mark.parametrize(
    'name, where, metric',
    [
        ('bccd_modern', ['dataset.dataset'], 'pascal_voc/AP50'),
        ('bccd_tutorial', ['dataset'], 'val_loss'),
    ],
)
def test_recipes_train_evaluate_and_resume(name, where, metric, shapes, run_tool, tmp_path):
    few = options(tmp_path, 4, **{f'train_dataloader.{key}.ann_file': 'ImageSets/Main/train.txt' for key in where})
    config = tmp_path / 'mine.py'
    data = f"dict(data_root='{shapes}/', metainfo=dict(classes={CLASSES[:3]}))"
    config.write_text(
        f"_base_ = 'ssd_plugin::bccd/comparison/{name}.py'\n"
        f'data = {data}\n'
        f'train_dataloader = dict(dataset={"dict(dataset=data)" if name == "bccd_modern" else "data"})\n'
        'val_dataloader = dict(dataset=data)\n'
        'test_dataloader = val_dataloader\n'
    )
    few = [option for option in few if not option.startswith(('data_root', 'param_scheduler.1'))]
    text = output(run_tool('train.py', config, '--work-dir', tmp_path / 'run', *few))
    assert sorted(losses(text)) == [1, 2, 3, 4] and metric in text
    (tmp_path / 'run/last_checkpoint').write_text(str(tmp_path / 'run/iter_2.pth'))
    assert sorted(losses(output(run_tool('train.py', config, '--work-dir', tmp_path / 'run', '--resume', *few)))) == [
        3,
        4,
    ]


@pytest.mark.parametrize('tool', ['dist_train.sh', 'dist_test.sh', 'slurm_train.sh'])
def test_scripts_without_arguments_show_their_usage(tool, run_tool):
    result = run_tool(tool)
    assert result.returncode == 2 and 'usage:' in result.stderr


def test_both_metrics_evaluate_a_dataset_without_a_json_file(shapes_checkpoint, shapes, run_tool, tmp_path):
    config = tmp_path / 'both.py'
    config.write_text(
        f"_base_ = '{CONFIG}'\ntest_dataloader = _base_.val_dataloader\n"
        "test_evaluator = [_base_.val_evaluator, dict(type='CocoMetric', metric='bbox')]\n"
    )
    found = []
    for path in (config, CONFIG):
        text = output(run_tool('test.py', path, shapes_checkpoint, *options(shapes)))
        found.append(re.search(r'coco/bbox_mAP: .*?pascal_voc/AP50: \S+|pascal_voc/mAP: .*', text).group())
    scores = [dict(re.findall(r'(\S+bbox_mAP_50|\S+AP50): (\S+)', text)) for text in found]
    assert scores[0] == scores[1] and set(scores[0]) == {'coco/bbox_mAP_50', 'pascal_voc/AP50'}


@pytest.mark.parametrize('number', ['zwei', '0', ''])
def test_a_number_of_gpus_that_is_none_is_one_line(number, run_tool):
    result = run_tool('dist_train.sh', CONFIG, number)
    assert result.returncode == 2
    assert result.stderr == f"error: the number of GPUs must be an integer of 1 or more, got '{number}'\n"


def test_a_port_that_is_in_use_is_one_line(run_tool):
    with socket.socket() as listener:
        listener.bind(('127.0.0.1', 0))
        listener.listen()
        port = str(listener.getsockname()[1])
        result = run_tool('dist_train.sh', CONFIG, '2', PORT=port)
    assert result.returncode == 2 and result.stderr.startswith(f'error: the port {port} is in use')
    assert result.stderr.count('\n') == 1 and 'PORT=' in result.stderr


def test_a_video_is_refused_with_a_way_to_detect_in_it(shapes_checkpoint, run_tool, tmp_path):
    (tmp_path / 'clip.mp4').write_bytes(b'video')
    result = run_tool('detect.py', 'clip.mp4', '--config', CONFIG, '--checkpoint', shapes_checkpoint)
    assert result.returncode == 1 and 'error: clip.mp4 is a video, not an image. Extract its frames' in result.stderr
