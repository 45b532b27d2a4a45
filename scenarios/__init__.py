"""What-ifs over the baseline."""
