"""Run folders to answers."""
