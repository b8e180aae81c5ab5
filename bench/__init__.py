"""Measures the gateway beside nginx, in one run on one machine. `python -m bench --help`."""
