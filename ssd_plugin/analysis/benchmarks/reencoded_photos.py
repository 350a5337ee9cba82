"""Datasets of photographs in VOC layout, reencoded at another size."""

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import cv2
from tqdm import tqdm

from ssd_plugin.datasets.transforms.image_decoding import UnreadableImage, decode, read_file
from ssd_plugin.errors import UserError


def classes_of(folder: Path) -> tuple[str, ...]:
    """Return the names of the classes in the annotations of a folder in VOC layout, sorted."""
    annotations = (folder / 'Annotations').glob('*.xml')
    return tuple(sorted({node.text or '' for path in annotations for node in ET.parse(path).iterfind('object/name')}))


def reencode_images(source: Path, target: Path, size: tuple[int, int], quality: int) -> None:
    """Copy a dataset in VOC layout with its images resized and reencoded, and its boxes scaled accordingly.

    Args:
        source: Folder of the dataset.
        target: Folder to write.
        size: (width, height) of the new images in pixels.
        quality: JPEG quality of the new images, 0 to 100.

    Raises:
        UserError: A file in the folder of images is not an image.
    """
    for name in ('JPEGImages', 'Annotations'):
        (target / name).mkdir(parents=True)
    shutil.copytree(source / 'ImageSets', target / 'ImageSets')
    for path in tqdm(sorted((source / 'JPEGImages').iterdir()), desc='encoding', leave=False, disable=None):
        try:
            image = decode(read_file(str(path)))
        except UnreadableImage as error:
            raise UserError(f'{path} cannot be read: {error}; remove it from the folder') from error
        factors = size[0] / image.shape[1], size[1] / image.shape[0]
        small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        cv2.imwrite(str(target / 'JPEGImages' / path.name), small, [cv2.IMWRITE_JPEG_QUALITY, quality])
        tree = ET.parse(source / 'Annotations' / f'{path.stem}.xml')
        for tag, value in zip(('width', 'height'), size):
            for node in tree.iterfind(f'size/{tag}'):
                node.text = str(value)
        for tag, factor in zip(('xmin', 'ymin', 'xmax', 'ymax'), factors * 2):
            for node in tree.iterfind(f'object/bndbox/{tag}'):
                node.text = str(round(float(node.text or 'nan') * factor))
        tree.write(target / 'Annotations' / f'{path.stem}.xml')
