"""One list of tasks, many hands: threads, a Dask cluster, calls that share a disk."""
