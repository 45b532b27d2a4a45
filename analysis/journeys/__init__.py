"""Customers' lives: story, funnel, map. Imports analysis.effects and below."""
