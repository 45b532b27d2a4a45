"""Mesa, without what importing it does to the whole process: it sets the start method of multiprocessing."""

import multiprocessing

_start_method = multiprocessing.get_start_method(allow_none=True)
try:
    import mesa as mesa
    from mesa.agent import AgentSet as AgentSet
finally:
    multiprocessing.set_start_method(_start_method, force=True)  # None: not chosen yet, as it was
