"""What a link remembers: its book, repeated requests, work that goes on after the answer."""
