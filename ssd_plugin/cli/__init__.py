"""What the command-line tools share: arguments, checks before a run, errors as one line."""
