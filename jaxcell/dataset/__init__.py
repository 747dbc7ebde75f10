"""From plate tables to examples, and from examples to batches."""
