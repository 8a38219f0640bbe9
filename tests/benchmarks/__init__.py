"""Figures, for ``make bench``: they depend on the machine, so no test asserts them."""
