"""Photographs in VOC layout, as they are or in another size."""

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
from tqdm import tqdm


def classes_of(folder: Path) -> tuple[str, ...]:
    """Names of the classes that the annotations have, in order of the alphabet."""
    return tuple(
        sorted(
            {
                node.text
                for path in (folder / 'Annotations').glob('*.xml')
                for node in ET.parse(path).iterfind('object/name')
            }
        )
    )


def encode_again(source: Path, target: Path, size: tuple[int, int], quality: int) -> None:
    """Copy a folder in VOC layout with its photographs shrunk to (width, height) and encoded again, and boxes along with them."""
    for name in ('JPEGImages', 'Annotations'):
        (target / name).mkdir(parents=True)
    shutil.copytree(source / 'ImageSets', target / 'ImageSets')
    for path in tqdm(sorted((source / 'JPEGImages').iterdir()), desc='encoding', leave=False, disable=None):
        image = cv2.imread(str(path))
        factors = size[0] / image.shape[1], size[1] / image.shape[0]
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(target / 'JPEGImages' / path.name), small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        tree = ET.parse(source / 'Annotations' / f'{path.stem}.xml')
        for tag, value in zip(('width', 'height'), size):
            tree.find(f'size/{tag}').text = str(value)
        for box in tree.iterfind('object/bndbox'):
            for tag, factor in zip(('xmin', 'ymin', 'xmax', 'ymax'), factors * 2):
                box.find(tag).text = str(round(float(box.find(tag).text) * factor))
        tree.write(target / 'Annotations' / f'{path.stem}.xml')
