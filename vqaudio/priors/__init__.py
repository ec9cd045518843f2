"""The registry of priors: one prior a file."""
