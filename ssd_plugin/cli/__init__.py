"""Common parts of the command-line tools: arguments, checks before a run, and one-line errors."""
