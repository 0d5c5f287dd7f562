"""Any system with a REST interface or webhooks, described in settings alone."""
