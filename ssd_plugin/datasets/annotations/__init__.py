"""Readers and rules for each annotation format, shared by the training datasets and the dataset check."""
