"""The numbers of one run: effects, intervals, what would flip them."""
