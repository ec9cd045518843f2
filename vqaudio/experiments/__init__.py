"""Experiments: a base recipe, a grid of what is changed of it, and seeds; one training run for each, and what was measured."""
