"""The PostgreSQL adapter: schema, functions and queries as plain SQL, and the driver that runs them."""
