"""Who gets an email about what, and when."""
