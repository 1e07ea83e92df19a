"""What CI systems read: JUnit, CTRF, GitHub, Prometheus."""
