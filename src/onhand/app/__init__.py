"""The use cases, one a file, and the ports through which they reach a store. They know no database and no network."""
