"""Conversion of checkpoints from other implementations of SSD, and of this package's checkpoints to MMDetection's."""

from .convert import Conversion, convert_checkpoint
from .formats import FORMATS
from .mmdet_export import export_to_mmdet

__all__ = ['FORMATS', 'Conversion', 'convert_checkpoint', 'export_to_mmdet']
