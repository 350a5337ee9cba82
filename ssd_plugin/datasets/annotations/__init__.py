"""Readers and validity rules for each annotation format, shared by training and the dataset check."""
