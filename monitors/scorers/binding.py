"""Runs an ONNX Runtime session by I/O binding: inputs from the host or already on the device, outputs where they are
wanted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

OrtValue: TypeAlias = Any
"""An array that ONNX Runtime holds, on the host or on the device; its `numpy()` is a copy on the host."""


class BoundSession:
    """One session, its inputs and outputs bound anew for each run. For one thread at a time."""

    def __init__(self, session: Any, device: str) -> None:
        self._session = session
        self._device = device
        self._binding = session.io_binding()
        self._outputs = tuple(item.name for item in session.get_outputs())

    def run(
        self,
        host: Mapping[str, NDArray[Any]],
        device: Mapping[str, OrtValue] | None = None,
        stay: str = "",
        into: OrtValue = None,
    ) -> dict[str, OrtValue]:
        """Return the outputs by name. Inputs are arrays on the `host`, which are sent, and values on the `device`.

        The output `stay` is left on the device, in the memory of `into` where that is given; the others come to the
        host.
        """
        binding = self._binding
        for name, array in host.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(array))
        for name, value in (device or {}).items():
            binding.bind_ortvalue_input(name, value)
        # Anew each time: a bound output keeps the array, and the size, of the last run.
        binding.clear_binding_outputs()
        for name in self._outputs:
            if name != stay:
                binding.bind_output(name)
            elif into is not None:
                binding.bind_ortvalue_output(name, into)
            else:
                binding.bind_output(name, self._device)
        # Sessions share values and have a stream each: what one sends or leaves is there before another begins.
        binding.synchronize_inputs()
        self._session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return dict(zip(self._outputs, binding.get_outputs(), strict=True))
