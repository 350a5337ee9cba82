"""The start of a loader's workers, and the collation of a batch."""

import copy
import multiprocessing
import os
import signal
import subprocess
import sys

import cv2
import numpy as np
import pytest
from mmdet.registry import MODELS, TRANSFORMS
from mmengine.registry import FUNCTIONS

from ssd_plugin.datasets.loading import patient_worker

TIMEOUT = 60


def work(connection):
    """Start like a loader's worker, report the mask of blocked signals, and wait until the test hangs up."""
    patient_worker(0)
    connection.send((signal.pthread_sigmask(signal.SIG_BLOCK, ()), cv2.getNumThreads()))
    while True:
        connection.send(connection.recv())


@pytest.fixture
def worker():
    """A worker of this process, its connection, and what it has reported."""
    ours, its = multiprocessing.Pipe()
    process = multiprocessing.get_context('fork').Process(target=work, args=(its,), daemon=True)
    process.start()
    its.close()
    assert ours.poll(TIMEOUT)
    yield process, ours, ours.recv()
    process.kill()
    process.join()


def answers(connection):
    connection.send('still there?')
    return connection.poll(TIMEOUT) and connection.recv() == 'still there?'


def signal_from_another_process(process, name):
    subprocess.run([sys.executable, '-I', '-S', '-c', f'import os, signal; os.kill({process.pid}, signal.{name})'])


def test_a_worker_blocks_the_signals_of_a_cluster_and_opencvs_threads(worker):
    _, _, (blocked, threads) = worker
    assert blocked >= {signal.SIGTERM, signal.SIGUSR1} and threads <= 1


@pytest.mark.parametrize('name', ['SIGTERM', 'SIGUSR1', 'SIGINT'])
def test_a_worker_survives_the_signals_of_other_processes(worker, name):
    process, connection, _ = worker
    signal_from_another_process(process, name)
    assert answers(connection) and process.is_alive()
    # Its thread still waits for the trainer.
    process.terminate()
    process.join(TIMEOUT)
    assert process.exitcode == 0


def test_a_worker_survives_sigusr1_of_its_trainer_and_ends_on_its_sigterm(worker):
    process, connection, _ = worker
    os.kill(process.pid, signal.SIGUSR1)
    assert answers(connection) and process.is_alive()
    os.kill(process.pid, signal.SIGTERM)
    process.join(TIMEOUT)
    assert process.exitcode == 0


def test_images_of_different_sizes_stay_apart():
    collate = FUNCTIONS.get('stack_collate')
    images = [TRANSFORMS.build(dict(type='PackDetInputs'))(dict(img=np.zeros((h, 8, 3), np.uint8))) for h in (8, 9)]
    assert isinstance(collate(images)['inputs'], list) and collate(images[:1] * 2)['inputs'].shape == (2, 3, 8, 8)


def test_a_stacked_batch_is_normalized_like_a_list_of_images():
    preprocessor = MODELS.build(
        dict(
            type='DetDataPreprocessor',
            mean=[1.0, 2.0, 3.0],
            std=[4.0, 5.0, 6.0],
            bgr_to_rgb=True,
            pad_size_divisor=1,
            non_blocking=True,
        )
    )
    pack = TRANSFORMS.build(dict(type='PackDetInputs'))
    random = np.random.RandomState(0)
    samples = [pack(dict(img=random.randint(0, 256, (6, 8, 3), dtype=np.uint8), img_shape=(6, 8))) for _ in range(3)]
    stacked, listed = (FUNCTIONS.get(name)(copy.deepcopy(samples)) for name in ('stack_collate', 'pseudo_collate'))
    assert (preprocessor(stacked)['inputs'] == preprocessor(listed)['inputs']).all()
