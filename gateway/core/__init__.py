"""The rules: money, prices, usage, tenants, routing, records. Standard library only; no clock."""
