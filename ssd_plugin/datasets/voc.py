"""PASCAL VOC, and other datasets in its layout."""

from mmdet.datasets import VOCDataset
from mmdet.registry import DATASETS

from .xml_dataset import CheckedXMLDataset


@DATASETS.register_module()
class CheckedVOCDataset(CheckedXMLDataset, VOCDataset):
    """:class:`CheckedXMLDataset` in VOC's layout: ``JPEGImages``, ``Annotations`` and ``ImageSets/Main``."""
