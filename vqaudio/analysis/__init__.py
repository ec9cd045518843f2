"""What a trained model has learned: its codebooks, and what each stage knows."""
