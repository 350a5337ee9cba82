from . import collate, shared_coco, transforms

__all__ = ['collate', 'shared_coco', 'transforms']
