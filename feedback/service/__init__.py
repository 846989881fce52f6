"""The service: scores, states and commands over HTTP and WebSocket."""
