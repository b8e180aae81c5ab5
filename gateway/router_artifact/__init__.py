"""Read, verify and write a router_models/ folder; the Scorer shared by serving and training."""
