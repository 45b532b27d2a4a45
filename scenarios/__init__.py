"""What-ifs over the baseline."""

# a package of cxsim
