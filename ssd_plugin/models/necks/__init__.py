"""Necks: layers between the backbone and the head."""

from .ssd_extra_layers import SSDExtraLayers

__all__ = ['SSDExtraLayers']
