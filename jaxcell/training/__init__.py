"""Training: tasks as values, pure jitted steps, one loop with exact resume."""
