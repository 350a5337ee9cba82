"""Transforms that read, decode and augment images."""

from ssd_plugin.compat import recognize_image_loaders

from .fused_ssd_augment import FusedSSDAugment
from .load_encoded_image import LoadEncodedImage
from .load_image_from_file import LoadImageFromFile
from .mosaic_ssd_augment import MosaicSSDAugment
from .to_gray import ToGray

__all__ = ['FusedSSDAugment', 'LoadEncodedImage', 'LoadImageFromFile', 'MosaicSSDAugment', 'ToGray']

recognize_image_loaders(LoadEncodedImage)
