"""A request's life, and the ports it needs. Names no technology."""
