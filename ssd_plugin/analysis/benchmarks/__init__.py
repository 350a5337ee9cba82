"""Measurements beside MMDetection and torchvision, in one process; run by ``tools/benchmark.py``."""
