"""Ground truth: exact nearest neighbours, within a memory limit; after a kill, work goes on where it was."""
