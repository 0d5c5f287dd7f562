"""The rules of stock and promises: pure functions, without I/O, clock or randomness."""
