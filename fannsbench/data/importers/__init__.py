"""Other projects' and users' files as drafts of data sets, one module for each format.

Each has a context manager `read` that gives a `Draft`, whose vectors are read in blocks while it is open:

    with vecs.read(Path("base.fvecs"), Path("query.fvecs")) as draft:
        write(draft, Path("mine.h5"))
"""
