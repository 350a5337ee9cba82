"""What tools/new_config.py does: choose everything that a config for one's own images needs, and write it."""
