"""The wire in pydantic, for checks of what comes and for OpenAPI and AsyncAPI. Never on the hot path."""
