"""Experiments: a base recipe, a grid of changes, and seeds."""
