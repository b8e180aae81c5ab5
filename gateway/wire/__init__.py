"""OpenAI's shapes on the wire: bytes in, values out. No sockets, no frameworks."""
