from .focal_multibox_loss import FocalMultiBoxLoss
from .many_to_many_loss import ManyToManyLoss
from .multibox_loss import MultiBoxLoss

__all__ = ['FocalMultiBoxLoss', 'ManyToManyLoss', 'MultiBoxLoss']
