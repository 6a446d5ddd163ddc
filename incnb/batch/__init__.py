"""What works without a kernel: the command line, on what the store has recorded."""
