"""How much of a dataset may be unusable before training refuses to begin or to go on."""

# Fraction of unusable images, annotations or boxes above which training ends with an error: a few are skipped and reported,
# many mean that a path or a format is wrong.
MAX_SHARE = 0.05
