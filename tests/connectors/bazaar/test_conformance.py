"""The connector of the marketplace under the shared suite, on its stand-in."""

from onhand.testkit import conformance

TestBazaar = conformance("bazaar", database="dsn")
