"""One file an experiment, each with `get_config()`."""
