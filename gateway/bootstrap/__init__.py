"""The one place that names concrete adapters, opened and closed by one context manager."""
