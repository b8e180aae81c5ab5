"""HTTP in: /v1, admin, health, metrics; `errors` is the one table from error to status."""
