"""The wire types: what clients send and get. Static bounds only; those that are settings are in `limits.py`."""
