"""OpenTelemetry's way in, without HTTP: exports of spans and log records → raw steps, whose they are, what they say of
outcomes, and the answers in the sender's encoding. Pure; `service.api.otlp_routes` is its edge.
"""
