"""What running Onhand needs whatever it does: settings, limits, logging, metrics, health."""
