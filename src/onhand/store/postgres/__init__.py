"""PostgreSQL: the one store of Onhand, and the only package that knows how to reach it.

`driver` talks to a server, `queries` holds the named SQL, `migrations` brings a database to this release,
`provider` finds server binaries and `supervisor` runs them where nobody runs a server for us.
"""
