"""Annotations, datasets, transforms, samplers and data loading."""

from . import augment_option, coco, loading, samplers, transforms, tutorial_lists, voc, wider_face, yolo

__all__ = [
    'augment_option',
    'coco',
    'loading',
    'samplers',
    'transforms',
    'tutorial_lists',
    'voc',
    'wider_face',
    'yolo',
]
