"""What a folder with images and annotations is, told by the content of its files."""

from .description import describe
from .folder_dataset import Candidate, FolderDataset, FolderSplit, Part
from .registry import RECOGNIZERS, titles

__all__ = ['RECOGNIZERS', 'Candidate', 'FolderDataset', 'FolderSplit', 'Part', 'describe', 'titles']
