"""The entry point that OpenMMLab's tools and older installers look for; everything is declared in pyproject.toml."""

from setuptools import setup

setup()
