"""Analyses beside training: dataset checks, prior coverage, sample sheets, curves, detection and benchmarks."""
