"""BrainFlow boards: the library kept quiet, sessions that are always released, its errors in our words."""
