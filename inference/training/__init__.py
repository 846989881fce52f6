"""Training and honest evaluation; the only place that imports torch."""
