"""The SSD algorithm as pure functions on tensors: no registry, no mm* import."""
