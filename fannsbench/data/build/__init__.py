"""The data set `wordnet`, from WordNet's files and an embedding model."""
