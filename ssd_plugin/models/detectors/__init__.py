"""Detectors: complete models from image to detections."""

from .multibox_detector import MultiBoxDetector

__all__ = ['MultiBoxDetector']
