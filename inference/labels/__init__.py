"""Labels of one's own: what a recorded session says of when its person rested and when they worked."""
