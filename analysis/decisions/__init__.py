"""What to do, judged over all points: the verdict, variants, the gate, the value of a test, what the answer hinges on,
and the page of a sweep. Imports analysis.effects and below.
"""
