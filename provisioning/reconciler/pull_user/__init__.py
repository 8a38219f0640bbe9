"""A turn at a pull user: the IAM user, its keys, and its own policy."""
