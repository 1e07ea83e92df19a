"""Search for the smallest outage that costs money: schedules, search, minimal ones and limits."""
