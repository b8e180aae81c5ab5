"""Reusable parts of the tests: scripted upstreams, real servers, builders."""
