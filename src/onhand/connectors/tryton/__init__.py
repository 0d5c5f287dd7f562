"""Tryton, an ERP: items, goods moved and stock are read; sales, their cancellations and returns are told."""
