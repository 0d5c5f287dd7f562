"""One folder per system that the hub talks to; nothing outside names a vendor."""
