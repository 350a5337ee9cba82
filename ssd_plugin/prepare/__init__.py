"""Preparation of datasets to train on: downloads of public ones, drawn shapes, and conversions."""
