"""What training and evaluation read: annotations, datasets, transforms, samplers and loading."""

from . import coco, loading, samplers, transforms, tutorial_lists, xml_dataset

__all__ = ['coco', 'loading', 'samplers', 'transforms', 'tutorial_lists', 'xml_dataset']
