"""Preparation of datasets to train on: downloads of public ones, and drawn shapes."""
