"""Vendure, the storefront: stock out, orders in, fulfilments and cancellations back, over its Admin API (GraphQL)."""
