"""Training: one loop for every model, in one process or under torchrun."""
