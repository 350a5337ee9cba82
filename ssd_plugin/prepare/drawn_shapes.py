"""Drawn dataset: shapes over textured backgrounds, in VOC layout and as COCO JSON of the same boxes.

Training, evaluation and detection can be tried on it without a download. Classes differ in their outline alone: colors,
textures, sizes and angles have the same distributions, and lines, arcs and specks lie behind and above the shapes.
"""

import json
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from ssd_plugin.files import folder_written_atomically

CLASSES = ('circle', 'square', 'triangle', 'star')
# Sides of the shapes, as fractions of the height of the image.
SIZE_RANGE = (0.08, 0.6)
# A shape is skipped if its intersection with another one exceeds this fraction of the smaller of the two.
MAX_HIDDEN = 0.25


@dataclass
class Shape:
    """Drawn object.

    Attributes:
        label: Index of the class.
        box: Tight box (x1, y1, x2, y2) in pixels, the far corner exclusive.
    """

    label: int
    box: tuple[int, int, int, int]


def draw_dataset(folder: Path, splits: dict[str, int], image_size: tuple[int, int] = (320, 240), seed: int = 0) -> None:
    """Draw a dataset: ``JPEGImages``, ``Annotations``, ``ImageSets/Main/SPLIT.txt`` and ``instances_SPLIT.json``.

    Args:
        folder: Folder to write. One that exists is replaced once the new one is complete.
        splits: Number of images in each split.
        image_size: (width, height) in pixels.
        seed: Random seed; the same seed draws the same dataset.
    """
    with folder_written_atomically(folder) as part:
        _draw_splits(part, splits, image_size, seed)
        shutil.rmtree(folder, ignore_errors=True)


def _draw_splits(folder: Path, splits: dict[str, int], image_size: tuple[int, int], seed: int) -> None:
    """Draw the images and annotations of all splits into an empty folder."""
    for name in ('JPEGImages', 'Annotations', 'ImageSets/Main'):
        (folder / name).mkdir(parents=True)
    number = 0
    for split, count in splits.items():
        names, coco = [], _empty_coco()
        for _ in tqdm(range(count), desc=f'drawing {split}', disable=None):
            number += 1
            name = f'{number:06d}'
            image, shapes = draw_image(np.random.default_rng((seed, number)), image_size)
            cv2.imwrite(str(folder / 'JPEGImages' / f'{name}.jpg'), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
            _voc_annotation(name, image.shape, shapes).write(folder / 'Annotations' / f'{name}.xml')
            _add_to_coco(coco, number, name, image.shape, shapes)
            names.append(name)
        (folder / 'ImageSets/Main' / f'{split}.txt').write_text('\n'.join(names) + '\n')
        (folder / f'instances_{split}.json').write_text(json.dumps(coco))


def draw_image(rng: np.random.Generator, size: tuple[int, int]) -> tuple[np.ndarray, list[Shape]]:
    """Draw one image.

    Args:
        rng: Random generator.
        size: (width, height) in pixels.

    Returns:
        BGR image ``(H, W, 3)`` uint8, and its shapes.
    """
    image = _texture(rng, size, contrast=60)
    for _ in range(rng.integers(4, 14)):
        _clutter(rng, image)
    placed = list(_place(rng, size))
    for _, mask in placed:
        texture = _texture(rng, size, contrast=30)
        _stand_out(image, texture, mask > 127)
        alpha = mask[..., None].astype(np.float32) / 255
        image[:] = (texture * alpha + image * (1 - alpha)).round()
    for _ in range(rng.integers(0, 4)):
        cv2.line(image, _point(rng, size), _point(rng, size), _color(rng), 1, cv2.LINE_AA)
    shapes = []
    for label, mask in placed:
        x, y, w, h = cv2.boundingRect((mask > 127).astype(np.uint8))
        shapes.append(Shape(label, (x, y, x + w, y + h)))
    return image, shapes


def _place(rng: np.random.Generator, size: tuple[int, int]) -> Iterator[tuple[int, np.ndarray]]:
    """Yield the class and the mask (:func:`_mask`) of shapes that hide little of each other, from back to front."""
    width, height = size
    covers: list[np.ndarray] = []
    for _ in range(rng.integers(2, 10)):
        label = int(rng.integers(len(CLASSES)))
        side = height * SIZE_RANGE[0] * (SIZE_RANGE[1] / SIZE_RANGE[0]) ** rng.random()
        center = rng.uniform((side * 0.4, side * 0.4), (width - side * 0.4, height - side * 0.4))
        outline = _outline(rng, CLASSES[label]) * side / 2 + center
        mask = _mask(outline, size)
        cover = mask > 127
        hidden = [(cover & other).sum() / max(min(other.sum(), cover.sum()), 1) for other in covers]
        if cover.sum() < 30 or any(fraction > MAX_HIDDEN for fraction in hidden):
            continue
        covers.append(cover)
        yield label, mask


def _outline(rng: np.random.Generator, name: str) -> np.ndarray:
    """Return the corners ``(N, 2)`` of a shape of radius 1 around 0, randomly rotated and slightly stretched."""
    corners = {'circle': 40, 'square': 4, 'triangle': 3, 'star': 10}[name]
    angles = np.arange(corners) * 2 * np.pi / corners + rng.uniform(0, 2 * np.pi)
    radius = np.where(np.arange(corners) % 2, 0.45, 1.0) if name == 'star' else 1.0
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * np.reshape(radius, (-1, 1))
    return points * rng.uniform(0.85, 1.15, 2)


def _mask(outline: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return how much of each pixel an outline covers, ``(H, W)`` uint8, 255 for all of it."""
    mask = np.zeros(size[::-1], np.uint8)
    cv2.fillPoly(mask, [np.round(outline * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    return mask


def _texture(rng: np.random.Generator, size: tuple[int, int], contrast: float) -> np.ndarray:
    """Return a random color with coarse and fine noise, ``(H, W, 3)`` uint8."""
    coarse = rng.normal(0, contrast / 2, (*rng.integers(2, 9, 2), 3)).astype(np.float32)
    fine = rng.normal(0, contrast / 6, (size[1], size[0], 1)).astype(np.float32)
    texture = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC) + fine + rng.uniform(30, 225, 3)
    return np.clip(texture, 0, 255).astype(np.uint8)


def _stand_out(image: np.ndarray, texture: np.ndarray, inside: np.ndarray) -> None:
    """Shift the brightness of a texture until it differs from what it covers, so that no shape is invisible.

    Args:
        image: Image ``(H, W, 3)`` that the shape is drawn on.
        texture: Texture ``(H, W, 3)`` of the shape, modified in place.
        inside: Pixels ``(H, W)`` bool of the shape.
    """
    gap = texture[inside].mean() - image[inside].mean()
    if abs(gap) < 45:
        shift = (45 - abs(gap)) * (1 if gap >= 0 else -1)
        texture[:] = np.clip(texture.astype(np.float32) + shift, 0, 255).astype(np.uint8)


def _clutter(rng: np.random.Generator, image: np.ndarray) -> None:
    """Draw a random line, arc or speck into an image."""
    size = image.shape[1], image.shape[0]
    kind = rng.integers(3)
    if kind == 0:
        cv2.line(image, _point(rng, size), _point(rng, size), _color(rng), int(rng.integers(1, 4)), cv2.LINE_AA)
    elif kind == 1:
        axes = _pair(rng.integers(8, 60, 2))
        start = int(rng.integers(0, 360))
        cv2.ellipse(
            image,
            _point(rng, size),
            axes,
            int(rng.integers(0, 180)),
            start,
            start + int(rng.integers(30, 160)),
            _color(rng),
            int(rng.integers(1, 4)),
            cv2.LINE_AA,
        )
    else:
        cv2.circle(image, _point(rng, size), int(rng.integers(1, 4)), _color(rng), -1, cv2.LINE_AA)


def _point(rng: np.random.Generator, size: tuple[int, int]) -> tuple[int, int]:
    """Return a random (x, y) inside an image."""
    return _pair(rng.integers(0, size))


def _pair(values: np.ndarray) -> tuple[int, int]:
    """Return two integers as Python's, which is what OpenCV takes."""
    x, y = values.tolist()
    return x, y


def _color(rng: np.random.Generator) -> tuple[int, ...]:
    """Return a random BGR color."""
    return tuple(int(v) for v in rng.integers(20, 236, 3))


def _voc_annotation(name: str, image_shape: tuple[int, ...], shapes: list[Shape]) -> ET.ElementTree:
    """Return an annotation in VOC's XML, where corners count pixels from 1 and the far one is inclusive."""
    root = ET.Element('annotation')
    ET.SubElement(root, 'filename').text = f'{name}.jpg'
    size = ET.SubElement(root, 'size')
    for tag, value in zip(('height', 'width', 'depth'), image_shape):
        ET.SubElement(size, tag).text = str(value)
    for shape in shapes:
        node = ET.SubElement(root, 'object')
        ET.SubElement(node, 'name').text = CLASSES[shape.label]
        ET.SubElement(node, 'difficult').text = '0'
        box = ET.SubElement(node, 'bndbox')
        x1, y1, x2, y2 = shape.box
        for tag, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), (x1 + 1, y1 + 1, x2, y2)):
            ET.SubElement(box, tag).text = str(value)
    return ET.ElementTree(root)


def _empty_coco() -> dict[str, list[dict]]:
    """Return a COCO annotation without images."""
    return dict(images=[], annotations=[], categories=[dict(id=i + 1, name=name) for i, name in enumerate(CLASSES)])


def _add_to_coco(
    coco: dict[str, list[dict]], number: int, name: str, image_shape: tuple[int, ...], shapes: list[Shape]
) -> None:
    """Append an image and its shapes to a COCO annotation."""
    coco['images'].append(dict(id=number, file_name=f'{name}.jpg', height=image_shape[0], width=image_shape[1]))
    for shape in shapes:
        x1, y1, x2, y2 = shape.box
        coco['annotations'].append(
            dict(
                id=len(coco['annotations']) + 1,
                image_id=number,
                category_id=shape.label + 1,
                bbox=[x1, y1, x2 - x1, y2 - y1],
                area=(x2 - x1) * (y2 - y1),
                iscrowd=0,
            )
        )
