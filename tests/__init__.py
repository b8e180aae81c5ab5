"""Fareway's tests mirror gateway/, beside contracts (one suite per port), e2e and architecture."""
