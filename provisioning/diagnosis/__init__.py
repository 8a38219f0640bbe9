"""The answer to "Why can't I pull?"."""
