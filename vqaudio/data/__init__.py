"""One dataset a file; `batches` makes padded, masked batches of any of them."""
