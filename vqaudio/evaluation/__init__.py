"""Evaluation of codecs, priors and question models, and their model cards."""
