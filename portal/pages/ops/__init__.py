"""The pages of ops."""
