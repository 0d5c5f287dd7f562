"""Onhand: the hub that keeps one truthful picture of stock and promises it without ever selling a unit twice."""

__version__ = "0.1.0"
