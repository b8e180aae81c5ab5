"""One technology each, behind a port of flow. None knows another."""
