"""The report's HTML. Templates escape everything; code comes highlighted, and thereby escaped."""
