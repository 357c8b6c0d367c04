"""One module per group of operations; importing this package registers them all."""
