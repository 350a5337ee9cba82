"""What training and evaluation read: annotations, datasets, transforms, samplers and loading."""

from . import coco, loading, samplers, transforms, tutorial_lists, voc, wider_face

__all__ = ['coco', 'loading', 'samplers', 'transforms', 'tutorial_lists', 'voc', 'wider_face']
