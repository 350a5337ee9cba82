from .fused_ssd_augment import FusedSSDAugment
from .load_encoded_image import LoadEncodedImage
from .mosaic_ssd_augment import MosaicSSDAugment

__all__ = ['FusedSSDAugment', 'LoadEncodedImage', 'MosaicSSDAugment']
