"""Scores for programs that speak LSL or OSC instead of WebSocket."""
