"""Registered detectors, backbones, necks, heads, losses and task modules."""

from .backbones import *  # noqa: F403
from .detectors import *  # noqa: F403
from .heads import *  # noqa: F403
from .losses import *  # noqa: F403
from .necks import *  # noqa: F403
from .task_modules import *  # noqa: F403
