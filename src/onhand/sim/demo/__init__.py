"""A small invented distributor lives for a week in about a minute, and what it was promised is proved afterwards."""
