from .multibox_detector import MultiBoxDetector

__all__ = ['MultiBoxDetector']
