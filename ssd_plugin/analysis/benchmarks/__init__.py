"""Benchmarks of this package beside MMDetection and torchvision, in one process; ``tools/benchmark.py`` runs them."""
