"""Losses of the head."""

from .focal_multibox_loss import FocalMultiBoxLoss
from .many_to_many_loss import ManyToManyLoss
from .multibox_loss import MultiBoxLoss
from .normalized_loss import NormalizedLoss

__all__ = ['FocalMultiBoxLoss', 'ManyToManyLoss', 'MultiBoxLoss', 'NormalizedLoss']
