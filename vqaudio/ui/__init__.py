"""The app: a Gradio page around custom components.

Nothing outside this folder imports Gradio.

Importing Gradio and PyTorch is most of the app's start, so both are imported here, first and without two costs that bring
nothing: the stub files that Gradio writes for editors, which parse the source of every component (a third of its import), and
the garbage collector's rounds over modules that stay (a fifth of both). They are frozen, so that no later round, which would
hold up every request for half a second, goes over them either.
"""

import gc
import inspect
from contextlib import contextmanager


@contextmanager
def _quick_imports():
    """Skip stub files and garbage collection. Gradio writes no stub for a component whose source file is not found."""
    find, collected = inspect.getfile, gc.isenabled()

    def find_all_but_gradio(thing):
        if inspect.isclass(thing) and thing.__module__.startswith("gradio."):
            raise OSError("no stub file is wanted")
        return find(thing)

    inspect.getfile = find_all_but_gradio
    gc.disable()
    try:
        yield
    finally:
        inspect.getfile = find
        gc.freeze()
        if collected:
            gc.enable()


with _quick_imports():
    import gradio  # noqa: F401
    import torch  # noqa: F401
