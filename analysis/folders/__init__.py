"""A run folder or a sweep's, read.

Imports analysis.style and what stands below it.
"""
