"""The whole portal on one machine, with its cast: for a look, and for the tests."""
