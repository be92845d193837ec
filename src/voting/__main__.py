"""`python -m voting` is the command `veche`."""

from voting.cli import main

main()
