"""`python -m paychain`: the same as the paychain command."""

from paychain.cli.entry import main

main()
