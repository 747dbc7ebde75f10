"""Learning from images of interacting immune cells."""
