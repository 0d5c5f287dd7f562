"""A connector of another distribution, for tests of the inbox: its partner is a folder, so that processes share it."""
