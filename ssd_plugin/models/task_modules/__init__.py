"""Task modules: priors, box coder and matchers."""

from .many_to_many_matcher import ManyToManyMatcher
from .matcher import Matcher
from .ssd_matcher import SSDMatcher
from .ssd_prior_generator import SSDPriorGenerator
from .variance_bbox_coder import VarianceBBoxCoder

__all__ = ['ManyToManyMatcher', 'Matcher', 'SSDMatcher', 'SSDPriorGenerator', 'VarianceBBoxCoder']
