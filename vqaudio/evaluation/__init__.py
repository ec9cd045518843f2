"""Numbers: metrics, judges, codebook health."""
