"""SSD (Single Shot MultiBox Detector) as a plugin for MMDetection.

Importing the package makes the installed MMDetection usable (see :mod:`ssd_plugin.compat`) and registers every
component in MMDetection's registries.
"""

from ssd_plugin import compat, openmp

# Before PyTorch is loaded, which reads the variable that this sets.
openmp.choose_waiting()
compat.install()

from ssd_plugin import datasets, engine, models  # noqa: E402

__version__ = '0.1.0'
__all__ = ['datasets', 'engine', 'models']
