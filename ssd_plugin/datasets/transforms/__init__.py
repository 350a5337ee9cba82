from .fused_ssd_augment import FusedSSDAugment
from .load_encoded_image import LoadEncodedImage

__all__ = ['FusedSSDAugment', 'LoadEncodedImage']
