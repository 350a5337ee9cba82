from . import checked_xml, collate, json_lists, patient_worker, shared_coco, stream, transforms

__all__ = ['checked_xml', 'collate', 'json_lists', 'patient_worker', 'shared_coco', 'stream', 'transforms']
