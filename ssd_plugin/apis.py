"""Public functions for programs and notebooks: load a detector, and detect objects in an image.

from ssd_plugin.apis import detect, load

model = load('configs/ssd300_voc.py', 'ssd300.pth')
annotated, detections = detect('photo.jpg', min_score=0.2, max_overlap=0.5, top_k=200, model=model)
"""

import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmdet.apis import init_detector
from mmdet.models.detectors import BaseDetector
from mmengine.config import Config
from mmengine.structures import InstanceData
from PIL import Image

from ssd_plugin.analysis.inference import DetectionOptions, draw, predict
from ssd_plugin.cli.error_messages import explained
from ssd_plugin.cli.tiled_detection import detect_in_tiles
from ssd_plugin.cli.trained_settings import check_for_inference
from ssd_plugin.configs import read_config
from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode, read_file
from ssd_plugin.errors import UserError, first_line
from ssd_plugin.files import check_checkpoint


class Detected(NamedTuple):
    """Result of :func:`detect`.

    Attributes:
        annotated: The image, RGB, with boxes, class names, and scores in percent.
        detections: ``bboxes`` ``(N, 4)``, xyxy in pixels of the image, ``scores`` ``(N,)``, ``labels`` ``(N,)`` and
            ``label_names``, a list of N class names; highest score first, on the CPU.
    """

    annotated: Image.Image
    detections: InstanceData


def load(
    config: str | Path | Config,
    checkpoint: str | Path,
    device: str | torch.device | None = None,
    ignore_mismatch: bool = False,
    tiles: Mapping[str, Any] | None = None,
) -> BaseDetector:
    """Return a detector that is ready for inference.

    Args:
        config: Path of a config, ``ssd_plugin::NAME`` for one that comes with the package, or a config, which is not
            changed.
        checkpoint: Path or address of the checkpoint. The class names are those that it records.
        device: Device of the model, by default a GPU if there is one.
        ignore_mismatch: Load a checkpoint that does not fill the model, or that was trained with other priors, box
            coder, mean or std.
        tiles: Detect in overlapping windows of large images, such as ``dict(size=(640, 480), overlap=0.25)``: settings
            in place of those of ``model.test_cfg.tiles``. ``{}`` for windows of the size of the network's input.

    Raises:
        UserError: The config, the checkpoint or the device is missing or cannot be used, or the checkpoint does not
            belong to the config.
    """
    check_checkpoint(str(checkpoint), 'the argument checkpoint')
    # init_detector changes the config.
    cfg = copy.deepcopy(config) if isinstance(config, Config) else read_config(str(config))
    detect_in_tiles(cfg, tiles)
    chosen = _device(device)
    with explained(cfg, str(checkpoint)):
        if not ignore_mismatch:
            check_for_inference(cfg, str(checkpoint))
        return init_detector(cfg, str(checkpoint), device=chosen)


def _device(name: str | torch.device | None) -> str:
    """Return the device of a name, or the default.

    Raises:
        UserError: There is no such device.
    """
    if name is None:
        return 'cuda' if torch.cuda.is_available() else 'cpu'
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError) as error:
        found = f'cuda:0 to cuda:{torch.cuda.device_count() - 1} and cpu' if torch.cuda.is_available() else 'cpu'
        raise UserError(f'device {str(name)!r} cannot be used: {first_line(error)}. There is {found}') from error
    return str(name)


def detect(
    image: str | Path | Image.Image | np.ndarray,
    min_score: float | None = 0.2,
    max_overlap: float | None = 0.5,
    top_k: int | None = 200,
    suppress: Sequence[str] = (),
    *,
    model: BaseDetector,
) -> Detected:
    """Detect objects in an image, and draw them.

    Args:
        image: Path of an image file; PIL image; or array ``(H, W, 3)`` uint8 in RGB order, as PIL and Matplotlib have
            it (OpenCV reads BGR: pass ``image[..., ::-1]``). A file is rotated as its EXIF orientation asks, a PIL
            image is taken as it is.
        min_score: Lowest score of a detection, 0..1; ``None`` for the setting of the config, as below.
        max_overlap: IoU of two boxes of a class above which the lower-scoring one is dropped, 0..1.
        top_k: Largest number of detections, the best.
        suppress: Names of classes to leave out. They do not count for ``top_k``.
        model: Detector of :func:`load`. Its settings are those above during the call, so it must not be used by
            another thread.

    Returns:
        The annotated image and the detections. Without detections, all pixels are those of the image.

    Raises:
        UserError: The image cannot be read, a threshold is out of its range, or a class to suppress is unknown.
    """
    names = (suppress,) if isinstance(suppress, str) else suppress
    options = DetectionOptions(min_score, max_overlap, top_k, names)
    rgb = _rgb(image)
    found = predict(model, np.ascontiguousarray(rgb[..., ::-1]), options)
    found.label_names = [model.dataset_meta['classes'][label] for label in found.labels.tolist()]
    return Detected(Image.fromarray(draw(rgb, found, model.dataset_meta)), found)


def _rgb(image: str | Path | Image.Image | np.ndarray) -> np.ndarray:
    """Return the pixels ``(H, W, 3)`` uint8 RGB of an image.

    Raises:
        UserError: It cannot be read, or is not an image.
    """
    if isinstance(image, (str, os.PathLike)):
        try:
            return np.ascontiguousarray(decode(read_file(str(image)))[..., ::-1])
        except FileNotFoundError as error:
            raise UserError(f'there is no image {image}') from error
        except UnreadableImage as error:
            raise UserError(f'the image {image} cannot be read: {error}') from error
    if isinstance(image, Image.Image):
        if image.mode in ('I', 'F') or image.mode.startswith('I;'):
            raise UserError(
                f'a PIL image of mode {image.mode} has more than 8 bits, which a conversion to RGB would clip; pass '
                'the path of its file, or an array scaled to uint8'
            )
        return np.asarray(image.convert('RGB'))
    pixels = isinstance(image, np.ndarray) and image.dtype == np.uint8 and image.size > 0
    if pixels and image.ndim == 3 and image.shape[2] == 3:
        return np.ascontiguousarray(image)
    given = f'an array of shape {image.shape} and type {image.dtype}' if isinstance(image, np.ndarray) else repr(image)
    raise UserError(f'an image must be a path, a PIL image or an array (H, W, 3) of uint8 in RGB order, got {given}')
