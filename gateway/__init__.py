"""Fareway: a cost-aware, OpenAI-compatible gateway for large language models."""

__all__ = ["__version__"]

__version__ = "0.1.0"
