"""A product's page: one module for each of its tabs."""
