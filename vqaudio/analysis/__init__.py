"""Analysis of trained models: codebooks, and the information in each stage."""
