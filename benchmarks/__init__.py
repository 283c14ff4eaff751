"""Speed of the chains against what a user would write or install instead, in one run: `python -m benchmarks --help`."""
