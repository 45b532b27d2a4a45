"""Mesa, without what importing it does to the whole process: it sets the start method of multiprocessing.

It is imported in a thread of its own: Mesa names its loggers by looking through the whole stack, which takes the longer
the deeper its first import stands (.9 s of 1.3 s, where a command imports us).
"""

import importlib
import multiprocessing
from concurrent.futures import ThreadPoolExecutor

_start_method = multiprocessing.get_start_method(allow_none=True)
try:
    with ThreadPoolExecutor(1) as _shallow:
        _shallow.submit(importlib.import_module, "mesa").result()
finally:
    multiprocessing.set_start_method(_start_method, force=True)  # None: not chosen yet, as it was

import mesa as mesa  # noqa: E402
from mesa.agent import AgentSet as AgentSet  # noqa: E402
