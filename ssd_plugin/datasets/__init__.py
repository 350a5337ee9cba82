from . import checked_voc, collate, shared_coco, transforms

__all__ = ['checked_voc', 'collate', 'shared_coco', 'transforms']
