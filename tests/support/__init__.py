"""What tests share: chains, commands, waiting, links in virtual time, recorded runs."""
