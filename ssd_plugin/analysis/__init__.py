"""What people run beside training: dataset checks, prior coverage, sample sheets, curves and benchmarks."""
