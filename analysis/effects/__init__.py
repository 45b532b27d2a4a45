"""The numbers of one run: effects, intervals, what would change their sign. Imports analysis.folders and below."""
