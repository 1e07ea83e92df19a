"""The payment domain: money, outcomes, codes, cards, journal records and money rules. No I/O."""
