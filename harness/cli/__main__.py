"""`python -m harness.cli`: the same as the paychain command."""

from harness.cli.main import main

main()
