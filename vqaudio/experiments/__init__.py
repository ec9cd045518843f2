"""Experiments: a base recipe, a grid of changes and seeds, one measured run for each."""
