"""Hydra's view of a cxsim sweep: a sweeper that knows sweep files, and a launcher that works side by side.

Hydra imports every module below `hydra_plugins` at start, so what is heavy is imported when a sweep runs.
"""
