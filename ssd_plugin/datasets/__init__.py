from . import checked_voc, collate, json_lists, patient_worker, shared_coco, stream, transforms

__all__ = ['checked_voc', 'collate', 'json_lists', 'patient_worker', 'shared_coco', 'stream', 'transforms']
