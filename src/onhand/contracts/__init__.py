"""What a fact may say: the event contracts as JSON Schema, and the CloudEvents envelope in which facts travel.

`cloudevents.decode` turns an HTTP message into envelopes, `registry.packaged().check` says whether an envelope keeps
its contract, `envelope.fingerprint` tells whether two bodies under one id state the same.
"""
