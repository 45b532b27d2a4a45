"""Customers' lives: story, funnel, map."""
