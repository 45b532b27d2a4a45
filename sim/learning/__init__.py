"""Learning from a firm's own tests, late deliveries and surveys; field tests predicted.

Imports sim.calibration and what stands below it.

    pieces.py      what evidence is: the file, and what each kind of piece must be able to say
    firm_tables.py a firm's tables: what cannot be read is left out and told
    lateness.py    late deliveries and whether customers came back      } each reads its piece, computes a statistic
    survey.py      survey answers and the orders after them             } from it, and simulates the same statistic
    ab_test.py     a past test's lift                                   } in a small world of the model
    field_test.py  a published experiment, or a test of the firm's own, as a file states it
    field_world.py the same experiment, simulated
    halves.py      a market in which a coin treats some, and what may be measured of its halves
    delayed.py     the orders of one day, on time and late
    market.py      the small world in which lateness and survey are simulated
    update.py      from simulated and observed statistics to a posterior; knows no world
    learn.py       all of it in order
    writing.py     the company file and the tables
"""
