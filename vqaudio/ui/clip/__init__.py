"""An open clip: its state, its jobs, and the functions that the page calls."""
