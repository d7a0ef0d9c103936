"""`python -m fannsbench`."""

from fannsbench.cli.main import main

main()
