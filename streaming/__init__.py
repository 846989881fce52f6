"""Chunks become feature frames: timeline, filter bank, signal quality and the engine that moves them."""
