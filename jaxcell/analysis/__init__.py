"""Arrays and tables in, numbers out: how good reconstructions and predictions are."""
