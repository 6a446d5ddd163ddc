"""What a run leaves behind, how it is put back, and what forbids to record it."""
