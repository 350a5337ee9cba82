from . import checked_voc, collate, json_lists, shared_coco, transforms

__all__ = ['checked_voc', 'collate', 'json_lists', 'shared_coco', 'transforms']
