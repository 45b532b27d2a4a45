"""The company, the clock and one simulated world."""
