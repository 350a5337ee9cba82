"""What the command-line tools share: arguments, checks before a run, and errors as one line."""
