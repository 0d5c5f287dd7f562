"""Replay of a real order book through the public API: nothing is dropped silently, every line is accounted for."""
