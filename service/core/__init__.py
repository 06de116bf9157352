"""What a service is whatever carries it: identities, records, reading untrusted JSON, the ingest pipeline. No Redis,
no web framework."""
