"""A second device for tests on machines with only a CPU: it computes on the CPU, but its tensors say that they are elsewhere.

Inside `with SecondDevice():`, the device "meta" holds real numbers. As on a graphics card, an operation on tensors of both
devices fails, and so does drawing random numbers there with a generator of the CPU. A CPU tensor of no dimensions counts as a
number, and places to index may be on the CPU.
"""

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

DEVICE = torch.device("meta")
MOVES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class There(torch.Tensor):
    """A tensor of the second device: `here` is its numbers."""

    @staticmethod
    def __new__(cls, here):
        return torch.Tensor._make_wrapper_subclass(
            cls, here.shape, strides=here.stride(), storage_offset=here.storage_offset(), dtype=here.dtype, device=DEVICE
        )

    def __init__(self, here):
        self.here = here

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})

    def tolist(self):
        return self.here.tolist()

    def __repr__(self):
        return f"There({self.here})"


class SecondDevice(TorchDispatchMode):
    """While it is entered, there is a device "meta" that computes. What PyTorch does before it dispatches is patched."""

    def __enter__(self):
        self._own = {name: getattr(torch, name) for name in ("autocast", "inference_mode", "tensor", "as_tensor")}
        autocast, tensor, as_tensor = self._own["autocast"], self._own["tensor"], self._own["as_tensor"]
        torch.autocast = lambda kind, **settings: autocast("cpu" if kind == DEVICE.type else kind, **settings)
        torch.inference_mode = torch.no_grad
        torch.tensor = lambda data, device=None, **settings: tensor(data, **settings).to(device or "cpu")
        torch.as_tensor = lambda data, dtype=None, device=None: (
            data.to(device or data.device, dtype or data.dtype)
            if isinstance(data, torch.Tensor)
            else as_tensor(data, dtype=dtype).to(device or "cpu")
        )
        return super().__enter__()

    def __exit__(self, *raised):
        for name, own in self._own.items():
            setattr(torch, name, own)
        return super().__exit__(*raised)

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        return _run(function, args, kwargs or {})


def _run(function, args, kwargs):
    kwargs = dict(kwargs)
    flat = tree_flatten((args, kwargs))[0]
    checked = [args[0], *args[2:]] if str(function).startswith(("aten.index.", "aten.index_put")) else (args, kwargs)
    tensors = [part for part in tree_flatten(checked)[0] if isinstance(part, torch.Tensor)]
    assert all(isinstance(part, There) for part in flat if isinstance(part, torch.Tensor) and part.device == DEVICE), "no numbers"
    there = [isinstance(part, There) for part in tensors]
    asked = kwargs.pop("device", None)
    target = any(there) if asked is None else torch.device(asked) == DEVICE
    if function not in MOVES and any(there) and any(part.ndim for part, away in zip(tensors, there) if not away):
        raise RuntimeError(f"{function}: tensors of two devices")
    if target and any(isinstance(part, torch.Generator) for part in flat):
        raise RuntimeError(f"{function}: a generator of the CPU on the second device")
    if function is torch.ops.aten.copy_.default:
        target = there[0]
    args, kwargs = tree_map(lambda part: part.here if isinstance(part, There) else part, (args, kwargs))
    out = function(*args, **kwargs)
    return tree_map(lambda part: There(part) if isinstance(part, torch.Tensor) else part, out) if target else out
