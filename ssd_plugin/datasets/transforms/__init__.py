from .fused_ssd_augment import FusedSSDAugment

__all__ = ['FusedSSDAugment']
