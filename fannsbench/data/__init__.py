"""Making data sets: builders, text embedding and exact ground truth."""
