"""Contact sheets of training samples."""

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor
from torchvision.utils import draw_bounding_boxes, make_grid

from ssd_plugin.configs import leaf_datasets, pipeline_steps
from ssd_plugin.datasets.annotations.box_rules import usable
from ssd_plugin.datasets.annotations.drawn_sizes import scale_factors, scaled
from ssd_plugin.datasets.annotations.records import AnnotatedImage, Annotations
from ssd_plugin.datasets.folders import FolderDataset
from ssd_plugin.datasets.transforms import FusedSSDAugment
from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode, read_file
from ssd_plugin.datasets.transforms.photometric_distortion import NO_DISTORTION
from ssd_plugin.errors import UserError

# Pixels of the height at which an image is shown, and of the title above it.
HEIGHT, TITLE = 300, 22


def contact_sheet(dataset: Any, indices: Sequence[int], columns: int) -> Tensor:
    """Show samples as training gets them, with boxes and class names.

    Args:
        dataset: Dataset whose pipeline ends with ``PackDetInputs``.
        indices: Indices of the samples.
        columns: Samples in a row.

    Returns:
        ``(3, H, W)`` uint8 RGB.
    """
    cells = []
    for index in indices:
        sample = dataset[index]
        instances = sample['data_samples'].gt_instances
        title = Path(sample['data_samples'].metainfo.get('img_path', '')).name
        boxes = get_box_tensor(instances.bboxes)
        # Images of one channel are shown in three.
        pixels = sample['inputs'].flip(0).expand(3, -1, -1)
        cells.append(_cell(pixels, boxes, instances.labels.tolist(), dataset.metainfo, title))
    return _grid(cells, columns)


def ground_truth_sheet(found: FolderDataset, number: int, columns: int, seed: int) -> Tensor:
    """Show images of a folder as they are, with their objects as training would read them.

    Args:
        found: What the folder holds.
        number: Number of images.
        columns: Images in a row.
        seed: Seed of the choice of images.

    Returns:
        ``(3, H, W)`` uint8 RGB.

    Raises:
        UserError: No image can be read.
    """
    images = [(annotations, image) for _, annotations in found.sources for image in annotations.images]
    cells: list[Tensor] = []
    for index in np.random.default_rng(seed).permutation(len(images)).tolist():
        annotations, image = images[index]
        try:
            pixels = decode(read_file(str(image.path)))
        except (FileNotFoundError, UnreadableImage):
            continue
        size = pixels.shape[1], pixels.shape[0]
        boxes = _boxes_from_zero(annotations, image, size)
        kept = usable(boxes, size)
        names = [box.name for box, is_kept in zip(image.boxes, kept) if is_kept]
        labels = [found.classes.index(name) for name in names]
        meta = dict(classes=found.classes)
        cells.append(_cell(_rgb_tensor(pixels), torch.from_numpy(boxes[kept]), labels, meta, image.path.name))
        if len(cells) == number:
            break
    if not cells:
        raise UserError(f'{found.root} has no image that can be read; tools/check_dataset.py says why')
    return _grid(cells, columns)


def _boxes_from_zero(annotations: Annotations, image: AnnotatedImage, size: tuple[int, int]) -> np.ndarray:
    """Return the boxes of an image as training reads them, ``(N, 4)`` xyxy in pixels from 0."""
    corners = np.array([box.corners for box in image.boxes], float).reshape(-1, 4) - annotations.first_pixel
    factors = scale_factors(corners, image.size, size) if annotations.scales else None
    return corners if factors is None else scaled(corners, factors, 0)


def stages(dataset: Any, index: int, seed: int) -> Tensor:
    """Show one image after each step of the pipeline that changes it.

    :class:`FusedSSDAugment` is shown in three steps: the window that it chooses, the window sampled, and the colors
    changed. Before a step that mixes images, the other images are shown.

    Args:
        dataset: Dataset, possibly in wrappers; of several innermost datasets the first one is shown.
        index: Index of the image in the innermost dataset.
        seed: Seed of NumPy's random numbers.

    Returns:
        ``(3, H, W)`` uint8 RGB.
    """
    np.random.seed(seed)
    _, leaf = next(leaf_datasets(dataset))
    meta = leaf.metainfo
    cells: list[Tensor] = []

    def show(sample: dict[str, Any], title: str) -> None:
        boxes = torch.as_tensor(get_box_tensor(sample['gt_bboxes'])) if 'gt_bboxes' in sample else torch.zeros(0, 4)
        labels = sample['gt_bboxes_labels'].tolist() if len(boxes) else []
        cells.append(_cell(_rgb_tensor(sample['img']), boxes, labels, meta, title))

    results = leaf.get_data_info(index)
    for step, others in pipeline_steps(dataset, first_only=True):
        if isinstance(step, FusedSSDAugment):
            before, state = dict(results), np.random.get_state()
            results = _decoded(before)
            undistorted = copy.copy(step)
            undistorted.colors = NO_DISTORTION
            sampled = undistorted(dict(results))
            cells.append(_window_cell(results, sampled['window'], meta))
            show(sampled, 'window, sampled')
            # The same random numbers again, now with the colors.
            np.random.set_state(state)
            results = step(before)
        else:
            # The interface by which MMDetection's MultiImageMixDataset recognizes a step that mixes images.
            if others is not None and hasattr(step, 'get_indexes'):
                if not cells:
                    show(_decoded(results), 'image')
                chosen = step.get_indexes(others)
                mixed = [copy.deepcopy(others[i]) for i in (chosen if isinstance(chosen, Sequence) else [chosen])]
                for other in mixed:
                    show(_decoded(other), 'another image')
                results = dict(results, mix_results=mixed)
            results = step(results)
        if results is None or 'data_samples' in results:
            break
        results.pop('mix_results', None)
        if 'img' in results:
            show(results, type(step).__name__)
    return _grid(cells, len(cells))


def _decoded(results: dict[str, Any]) -> dict[str, Any]:
    """Return a sample with the pixels of an image that is still encoded."""
    if 'encoded_img' not in results:
        return results
    others = {name: value for name, value in results.items() if name != 'encoded_img'}
    return {**others, 'img': results['encoded_img'].decode()}


def _window_cell(results: dict[str, Any], window: Sequence[float], meta: dict[str, Any]) -> Tensor:
    """Show the original image with its objects and the window, which may extend beyond it."""
    height, width = results['img'].shape[:2]
    x1, y1, x2, y2 = (round(value) for value in window)
    left, top, right, bottom = max(-x1, 0), max(-y1, 0), max(x2 - width, 0), max(y2 - height, 0)
    canvas = cv2.copyMakeBorder(results['img'], top, bottom, left, right, cv2.BORDER_CONSTANT, value=(128, 128, 128))
    boxes = torch.as_tensor(get_box_tensor(results['gt_bboxes'])) + torch.tensor([left, top, left, top])
    image = _with_boxes(_rgb_tensor(canvas), boxes, results['gt_bboxes_labels'].tolist(), meta)
    outline = torch.tensor([[x1 + left, y1 + top, x2 + left, y2 + top]]) * (HEIGHT / canvas.shape[0])
    return _with_title(draw_bounding_boxes(image, outline.clamp(min=0), colors='white', width=4), 'window chosen')


def _rgb_tensor(image: np.ndarray) -> Tensor:
    """Convert ``(H, W, 3)`` BGR, or ``(H, W, 1)`` gray, to ``(3, H, W)`` RGB."""
    return torch.from_numpy(image.copy()).permute(2, 0, 1).flip(0).expand(3, -1, -1)


def _cell(image: Tensor, boxes: Tensor, labels: list[int], meta: dict[str, Any], title: str) -> Tensor:
    """Return one cell of a sheet: an image with boxes and class names, below its title.

    Args:
        image: ``(3, H, W)`` RGB of any type, with levels of 0 to 255.
        boxes: ``(N, 4)`` xyxy in its pixels.
        labels: Class index of each box.
        meta: Metainfo of the dataset, with ``classes`` and perhaps ``palette``.
        title: Text above the image.
    """
    return _with_title(_with_boxes(image, boxes, labels, meta), title)


def _with_boxes(image: Tensor, boxes: Tensor, labels: list[int], meta: dict[str, Any]) -> Tensor:
    """Resize an image to the height shown, and draw boxes and class names on it."""
    factor = HEIGHT / image.shape[1]
    size = [HEIGHT, max(round(image.shape[2] * factor), 1)]
    # Some of MMDetection's steps produce fractional levels, and levels outside of 0 to 255.
    image = image if image.dtype == torch.uint8 else image.clamp(0, 255).round().byte()
    image = torch.nn.functional.interpolate(image[None], size=size, mode='bilinear', antialias=True)[0]
    if not labels:
        return image
    palette = meta.get('palette') or [(255, 210, 0)]
    colors: list[str | tuple[int, int, int]] = [tuple(palette[label % len(palette)]) for label in labels]
    names = [meta['classes'][label] for label in labels]
    return draw_bounding_boxes(image, boxes * factor, names, colors=colors, width=2)


def _with_title(image: Tensor, title: str) -> Tensor:
    """Put a white band with a title above an image."""
    band = np.full((TITLE, image.shape[2], 3), 255, np.uint8)
    cv2.putText(band, title, (4, TITLE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return torch.cat([torch.from_numpy(band).permute(2, 0, 1), image], dim=1)


def _grid(cells: list[Tensor], columns: int) -> Tensor:
    """Arrange cells in rows, padded with white to the size of the largest one."""
    height, width = (max(cell.shape[axis] for cell in cells) for axis in (1, 2))
    padded = [torch.nn.functional.pad(c, (0, width - c.shape[2], 0, height - c.shape[1]), value=255) for c in cells]
    return make_grid(padded, columns, padding=6, pad_value=255)
