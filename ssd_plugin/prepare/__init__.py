"""Datasets to train on: downloads of the public ones, and drawn shapes."""
