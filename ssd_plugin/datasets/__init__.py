from . import collate, transforms

__all__ = ['collate', 'transforms']
