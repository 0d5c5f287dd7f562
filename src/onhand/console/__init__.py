"""The web pages on which operations, channels, warehouses and approvers watch and decide."""
