"""Parts of the page beside the code map: examples, codebooks, figures and reports."""
