"""Other implementations' checkpoints: recognised, read safely and rewritten for this package, and back for MMDetection."""

from .convert import Conversion, convert_checkpoint
from .formats import FORMATS
from .mmdet_export import export_to_mmdet

__all__ = ['Conversion', 'FORMATS', 'convert_checkpoint', 'export_to_mmdet']
