"""An open clip: the state of one session, its jobs, and the functions that the page calls."""
