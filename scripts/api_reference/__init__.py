"""Makes `docs/api.md` of the service's own OpenAPI document: `python -m scripts.api_reference`."""
