"""A turn at a repository's policy: one writer at a time, and the whole of it at once."""
