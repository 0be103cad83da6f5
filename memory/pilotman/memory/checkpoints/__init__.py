"""Where graphs are parked while they wait."""
