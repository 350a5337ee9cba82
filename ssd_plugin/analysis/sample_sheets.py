"""Pictures of what a data set gives to training."""

import copy
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from mmdet.structures.bbox import get_box_tensor
from torch import Tensor
from torchvision.utils import draw_bounding_boxes, make_grid

from ssd_plugin.configs import leaf_datasets, pipeline_steps
from ssd_plugin.datasets.transforms import FusedSSDAugment

# Pixels of the height that a picture is shown with, and above it for its title.
HEIGHT, TITLE = 300, 22
NO_COLORS = dict(brightness=0.0, contrast=(1.0, 1.0), saturation=(1.0, 1.0), hue=0.0)


def contact_sheet(dataset, indices: Sequence[int], columns: int) -> Tensor:
    """Samples as training gets them, with boxes and class names.

    Args:
        dataset: with a pipeline that packs.
        indices: of the samples.
        columns: samples in a row.

    Returns:
        ``(3, H, W)`` uint8, red first.
    """
    meta, pictures = dataset.metainfo, []
    for index in indices:
        sample = dataset[index]
        instances = sample['data_samples'].gt_instances
        title = Path(sample['data_samples'].metainfo.get('img_path', '')).name
        pictures.append(
            picture(sample['inputs'].flip(0), get_box_tensor(instances.bboxes), instances.labels.tolist(), meta, title)
        )
    return _grid(pictures, columns)


def stages(dataset, index: int, seed: int) -> Tensor:
    """One image after each step of the pipeline that changes it; of :class:`FusedSSDAugment`, the window that it chose, the window
    sampled, and its colours changed; of steps that mix images, the others before it.

    Args:
        dataset: whose pipeline is shown, in wrappers or not; of several, the first.
        index: of the image.
        seed: of the random numbers.

    Returns:
        ``(3, H, W)`` uint8, red first.
    """
    np.random.seed(seed)
    _, leaf = next(leaf_datasets(dataset))
    results, pictures, meta = leaf.get_data_info(index), [], leaf.metainfo

    def show(shown: dict, title: str) -> None:
        boxes = torch.as_tensor(get_box_tensor(shown['gt_bboxes'])) if 'gt_bboxes' in shown else torch.zeros(0, 4)
        labels = shown['gt_bboxes_labels'].tolist() if len(boxes) else []
        pictures.append(picture(_as_tensor(shown['img']), boxes, labels, meta, title))

    for step, others in pipeline_steps(dataset, first_only=True):
        if isinstance(step, FusedSSDAugment):
            before, state = dict(results), np.random.get_state()
            results = _with_pixels(before)
            plain = copy.copy(step)
            plain.colors = NO_COLORS
            sampled = plain(dict(results))
            pictures.append(_window(results, sampled['window'], meta))
            show(sampled, 'the window, sampled')
            np.random.set_state(state)
            results = step(before)
        else:
            if hasattr(step, 'get_indexes'):
                if not pictures:
                    show(_with_pixels(results), 'one image')
                chosen = step.get_indexes(others)
                mixed = [copy.deepcopy(others[i]) for i in (chosen if isinstance(chosen, Sequence) else [chosen])]
                for other in mixed:
                    show(_with_pixels(other), 'another image')
                results = dict(results, mix_results=mixed)
            results = step(results)
        if results is None or 'data_samples' in results:
            break
        results.pop('mix_results', None)
        if 'img' in results:
            show(results, type(step).__name__)
    return _grid(pictures, len(pictures))


def _with_pixels(results: dict) -> dict:
    """With all pixels of an image that is still encoded."""
    if 'encoded_img' not in results:
        return results
    return {
        **{key: value for key, value in results.items() if key != 'encoded_img'},
        'img': results['encoded_img'].decode(),
    }


def _window(results: dict, window: Sequence[float], meta: dict) -> Tensor:
    """The whole image with its objects and the window, which may reach beyond it."""
    height, width = results['img'].shape[:2]
    x1, y1, x2, y2 = (round(value) for value in window)
    left, top = max(-x1, 0), max(-y1, 0)
    world = cv2.copyMakeBorder(
        results['img'], top, max(y2 - height, 0), left, max(x2 - width, 0), cv2.BORDER_CONSTANT, value=(128,) * 3
    )
    boxes = torch.as_tensor(get_box_tensor(results['gt_bboxes'])) + torch.tensor([left, top, left, top])
    image = _drawn(_as_tensor(world), boxes, results['gt_bboxes_labels'].tolist(), meta)
    place = torch.tensor([[x1 + left, y1 + top, x2 + left, y2 + top]]) * (HEIGHT / world.shape[0])
    return _titled(draw_bounding_boxes(image, place.clamp(min=0), colors='white', width=4), 'the window chosen')


def _as_tensor(image: np.ndarray) -> Tensor:
    """``(H, W, 3)``, blue first, to ``(3, H, W)``, red first."""
    return torch.from_numpy(np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)))


def picture(image: Tensor, boxes: Tensor, labels: list[int], meta: dict, title: str) -> Tensor:
    """An image in the height shown, with boxes and class names, below its title.

    Args:
        image: ``(3, H, W)`` levels 0 to 255, red first, of any type.
        boxes: ``(N, 4)`` in pixels of it.
        labels: class of each.
        meta: with ``classes`` and perhaps ``palette``.
        title: above it.
    """
    return _titled(_drawn(image, boxes, labels, meta), title)


def _drawn(image: Tensor, boxes: Tensor, labels: list[int], meta: dict) -> Tensor:
    factor = HEIGHT / image.shape[1]
    size = [HEIGHT, max(round(image.shape[2] * factor), 1)]
    # Some of MMDetection's steps leave fractions of levels, and levels beyond.
    image = image if image.dtype == torch.uint8 else image.clamp(0, 255).round().byte()
    image = torch.nn.functional.interpolate(image[None], size=size, mode='bilinear', antialias=True)[0]
    palette = meta.get('palette') or [(255, 210, 0)]
    colors = [tuple(palette[label % len(palette)]) for label in labels]
    if labels:
        names = [meta['classes'][label] for label in labels]
        image = draw_bounding_boxes(image, boxes * factor, names, colors=colors, width=2)
    return image


def _titled(image: Tensor, title: str) -> Tensor:
    band = np.full((TITLE, image.shape[2], 3), 255, np.uint8)
    cv2.putText(band, title, (4, TITLE - 7), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 0), 1, cv2.LINE_AA)
    return torch.cat([torch.from_numpy(band).permute(2, 0, 1), image], dim=1)


def _grid(pictures: list[Tensor], columns: int) -> Tensor:
    """All in one, those smaller than the largest filled up with white."""
    height, width = (max(image.shape[axis] for image in pictures) for axis in (1, 2))
    filled = [torch.nn.functional.pad(p, (0, width - p.shape[2], 0, height - p.shape[1]), value=255) for p in pictures]
    return make_grid(filled, columns, padding=6, pad_value=255)
