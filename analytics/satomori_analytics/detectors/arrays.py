"""Arrays as JSON values and back, bit by bit: text of base 64, since ten thousand series have millions of numbers."""

import base64
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pack(array: NDArray[Any]) -> dict[str, Any]:
    little = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False)
    text = base64.b64encode(little.tobytes()).decode("ascii")
    return {"dtype": array.dtype.str, "shape": list(array.shape), "base64": text}


def unpack(state: dict[str, Any]) -> NDArray[Any]:
    flat = np.frombuffer(base64.b64decode(state["base64"]), dtype=state["dtype"])
    return flat.reshape(state["shape"]).copy()
