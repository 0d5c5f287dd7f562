"""Bazaar, an invented marketplace whose limits have the shapes of real ones."""
