"""Hydra configuration of cxsim: one folder per group, config.yaml on top."""

# a package of cxsim
