"""report.html and the other pages."""
