"""The HTTP API: one table of operations, one pipeline that every request goes through, and the server that runs it."""
