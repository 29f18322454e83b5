"""How fast the service is, measured in one run on one machine: `python -m benchmarks --help`."""
