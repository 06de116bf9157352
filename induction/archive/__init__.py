"""What a service has kept of finished runs, made into a corpus to learn from. Reads the service's archive by its format
(docs/learning-on.md), never through the service.
"""
