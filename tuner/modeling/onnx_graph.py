"""A model as one ONNX graph: raw numbers and categories in, classes and probabilities, or predicted numbers, out.

Inputs (the names of their columns, in order, stand in the file's metadata as JSON lists):

- ``numbers``: float64 (n, p), one column for each number, boolean (0 or 1) and date (seconds since 1970, UTC) that the
  model uses; a missing cell is NaN, or a number that ``[data] missing`` names;
- ``categories``: text (n, q), one column for each category, without outer spaces, integers without a point; a missing
  cell is the empty text, or one of the spellings of ``tuner predict``: ?, NA, and those of ``[data] missing``.

An input that the model has no columns for is left out.  Outputs: ``predicted`` (n,), by the model's threshold if it has
one; ``probabilities`` float32 (n, n_classes) in the order of the classes, calibrated if the model is; of a model for
numbers only ``predicted``, float64 in their own unit, and ``quantiles`` (n, K) if it has some.  float64 keeps what
matters of large numbers that vary little (years, dates); everything after the normalization is float32, as in training,
but for threshold and calibration.  ``onnx_inputs`` makes the inputs of raw rows.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, reduce
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tuner.analysis import LEAST, Decision, Isotonic, Temperature
from tuner.data import (
    DATE_CYCLES,
    DAY,
    LARGEST_INPUT,
    MISSING,
    ROBUST_LIMIT,
    Encoding,
    Feature,
    FittedColumn,
    Reads,
    missing_numbers,
    missing_texts,
    raw_columns,
    raw_names,
)
from tuner.errors import UsageError
from tuner.files import whole_file
from tuner.modeling.model import Model
from tuner.nn import GELU, LARGEST_LOGARITHM, LEAK, MEDIAN, SELU, Network, Periodic
from tuner.target_transforms import TargetTransform

if TYPE_CHECKING:
    import pandas as pd

OPSETS = {"": 17, "ai.onnx.ml": 3}
IR_VERSION = 8  # the oldest that these operators allow: older runtimes read it, too
NUMBERS, CATEGORIES = "numbers", "categories"
PREDICTED, PROBABILITIES, QUANTILES = "predicted", "probabilities", "quantiles"

Piece = tuple[str, list[int]]
"""What a node yields, and where in X each of its columns stands."""


def export_onnx(model: Model, path: str | Path, *, force: bool = False) -> int:
    """Write a model as an ONNX file, whole or not at all; its size in bytes.

    ``force``: replace an existing file.  Raises UsageError without onnx, and for a file that must stay.
    """
    try:
        import onnx
    except ImportError as error:
        raise UsageError("the export needs onnx. Run: pip install 'tuner-search[onnx]'") from error
    graph = build_graph(model)
    onnx.checker.check_model(graph)
    content = graph.SerializeToString()
    with whole_file(Path(path), force=force) as file:
        file.write(content)
    return len(content)


def onnx_inputs(model: Model, frame: pd.DataFrame) -> dict[str, NDArray[Any]]:
    """The graph's inputs for raw rows.  Raises DataError where a cell or column is not what the model takes."""
    numbers, categories = raw_columns(model.encodings, frame)
    inputs: dict[str, NDArray[Any]] = {NUMBERS: numbers, CATEGORIES: categories}
    return {name: array for name, array in inputs.items() if array.shape[1]}


def build_graph(model: Model) -> Any:
    """The ONNX model."""
    from onnx import TensorProto, helper

    names = dict(zip((NUMBERS, CATEGORIES), raw_names(model.encodings), strict=True))
    types = {NUMBERS: TensorProto.DOUBLE, CATEGORIES: TensorProto.STRING}
    nodes = _Nodes()
    _answer(nodes, model)
    if model.metadata.unit.is_share:
        kinds = {"i": TensorProto.INT64, "b": TensorProto.BOOL}
        outputs: dict[str, tuple[int, list[str | int]]] = {
            PREDICTED: (kinds.get(model.classes_.dtype.kind, TensorProto.STRING), ["n"]),
            PROBABILITIES: (TensorProto.FLOAT, ["n", len(model.classes_)]),
        }
    else:
        targets = model.metadata.unit.targets
        outputs = {PREDICTED: (TensorProto.DOUBLE, ["n", len(targets)] if targets else ["n"])}
        if model.quantiles_:
            outputs[QUANTILES] = (TensorProto.DOUBLE, ["n", len(model.quantiles_)])
    graph = helper.make_graph(
        nodes.nodes,
        "tuner",
        [helper.make_tensor_value_info(name, types[name], ["n", len(of)]) for name, of in names.items() if of],
        [helper.make_tensor_value_info(name, *of) for name, of in outputs.items()],
        initializer=nodes.constants,
        doc_string=(__doc__ or "").strip(),
    )
    opsets = [helper.make_opsetid(domain, version) for domain, version in OPSETS.items()]
    onnx_model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="tuner")
    shown = {
        "study": model.metadata.study,
        "model": model.metadata.described(),
        "classes": model.metadata.class_names,
        **names,
    }
    properties = {key: of if isinstance(of, str) else json.dumps(of) for key, of in shown.items()}
    helper.set_model_props(onnx_model, properties)
    return onnx_model


class _Nodes:
    """The graph as it grows: nodes in the order they run, and constants.

    ``numbers``: what yields the input of numbers, missing ones as NaN.  ``missing``: texts of missing categories.
    """

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.numbers = NUMBERS
        self.missing: list[str] = []
        self._part = ""
        self._names: Counter[str] = Counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Name what is added within after a part of the model: "age", "layer 1"."""
        outer, self._part = self._part, f"{self._part}{name}/"
        yield
        self._part = outer

    def _name(self, name: str) -> str:
        """Return a name that nothing else in the graph has."""
        self._names[name := self._part + name] += 1
        return name if self._names[name] == 1 else f"{name} {self._names[name]}"

    def add(
        self, operator: str, *inputs: str, output: str | None = None, unused: tuple[str, ...] = (), **attributes: Any
    ) -> str:
        """One operator; the name of what it yields first, others being ``unused``."""
        from onnx import helper

        name = self._name(operator)
        self.nodes.append(
            helper.make_node(
                operator, list(inputs), [output or name, *map(self._name, unused)], name=name, **attributes
            )
        )
        return output or name

    def cast(self, name: str, to: str) -> str:
        """The same in another of ONNX's types."""
        return self.add("Cast", name, to=_type(to))

    def constant(self, value: Any, dtype: Any = None) -> str:
        """A constant tensor; its name."""
        from onnx import numpy_helper

        name = self._name("constant")
        array = np.array(value, dtype=dtype)
        text = array.astype(object) if array.dtype.kind == "U" else array
        self.constants.append(numpy_helper.from_array(text, name))
        return name


def _type(name: str) -> int:
    """ONNX's number of one of its types."""
    from onnx import TensorProto

    return int(TensorProto.DataType.Value(name))


def _answer(nodes: _Nodes, model: Model) -> None:
    """From the inputs to the outputs; several networks answer with their mean probabilities, or the mean number."""
    place = {name: k for names in raw_names(model.encodings) for k, name in enumerate(names)}
    _read_missing(nodes, model, place)
    encoded: list[Piece] = []
    for encoding in model.encodings:
        with nodes.part("inputs"):
            encoded.append(_encode(nodes, encoding, place))
    every = encoded * (len(model.networks) // len(encoded))
    unit, alone = model.metadata.unit, len(model.networks) == 1
    if unit.scale is not None:
        _answer_numbers(nodes, model, every)
        return
    decision, loss = model.metadata.decision, unit.loss
    costs = None if loss is None else loss.costs
    outputs = []
    for number, (network, inputs) in enumerate(zip(model.networks, every, strict=True), start=1):
        with nodes.part(f"network {number}"):
            named = PROBABILITIES if alone and decision is None else None
            outputs.append(_network(nodes, network, *inputs, output=named))
    index, mean = outputs[0]
    if not alone:
        named = PROBABILITIES if decision is None else None
        mean = nodes.add("Mean", *(probabilities for _, probabilities in outputs), output=named)
    if decision is not None:
        with nodes.part("decision"):
            index = _decide(nodes, decision.rule, mean, len(model.classes_), costs)
    elif costs is not None:
        index = _most_probable(nodes, nodes.cast(mean, "DOUBLE"), costs)
    elif not alone:
        index = _most_probable(nodes, mean)
    nodes.add("Gather", nodes.constant(model.classes_), index, axis=0, output=PREDICTED)


def _answer_numbers(nodes: _Nodes, model: Model, every: Sequence[Piece]) -> None:
    """From each network's inputs to the mean of what they predict, in the unit of the target."""
    unit, alone = model.metadata.unit, len(model.networks) == 1
    assert unit.scale is not None
    numbers = []
    for number, (network, (X, positions)) in enumerate(zip(model.networks, every, strict=True), start=1):
        with nodes.part(f"network {number}"):
            numbers.append(nodes.cast(_numbers(nodes, network, X, positions), "DOUBLE"))
    total = reduce(partial(nodes.add, "Add"), numbers)  # many versions of onnxruntime have no Mean of float64
    levels = model.quantiles_
    flat = total if levels or unit.targets else nodes.add("Squeeze", total, nodes.constant([1], np.int64))
    output = QUANTILES if levels else PREDICTED
    if unit.transform is not None:
        z = flat if alone else nodes.add("Div", flat, nodes.constant(len(numbers), np.float64))
        _undone(nodes, unit.transform, z, output=output)
    else:
        scale, mean = (unit.scales, unit.means) if unit.targets else (unit.scale, unit.mean)
        scaled = nodes.add("Mul", flat, nodes.constant(scale / len(numbers), np.float64))
        nodes.add("Add", scaled, nodes.constant(mean, np.float64), output=output)
    if levels:
        nodes.add("Gather", output, nodes.constant(levels.index(MEDIAN), np.int64), axis=1, output=PREDICTED)


Costs: TypeAlias = tuple[tuple[float, ...], ...] | None


def _most_probable(nodes: _Nodes, p: str, costs: Costs = None) -> str:
    """The classes' indices: the most probable, or those of the lowest expected cost."""
    if costs is None:
        return nodes.add("ArgMax", p, axis=1, keepdims=0)
    return nodes.add("ArgMin", nodes.add("MatMul", p, nodes.constant(costs, np.float64)), axis=1, keepdims=0)


def _decide(nodes: _Nodes, decision: Decision, mean: str, n_classes: int, costs: Costs) -> str:
    """The classes' indices, by calibration and threshold, in float64; yields the calibrated probabilities, too."""
    p, calibration = nodes.cast(mean, "DOUBLE"), decision.calibration
    if isinstance(calibration, Temperature):
        logits = nodes.add("Log", nodes.add("Max", p, nodes.constant(LEAST, np.float64)))
        p = nodes.add("Softmax", nodes.add("Div", logits, nodes.constant(calibration.value, np.float64)), axis=1)
    elif calibration is not None:
        p = _isotonic(nodes, calibration, p, n_classes)
    nodes.add("Cast", p, to=_type("FLOAT"), output=PROBABILITIES)
    if decision.threshold is None:
        return _most_probable(nodes, p, costs)
    positive = decision.threshold.positive
    of_class = nodes.add("Gather", p, nodes.constant(positive, np.int64), axis=1)
    reached = nodes.add("GreaterOrEqual", of_class, nodes.constant(decision.threshold.value, np.float64))
    return nodes.cast(reached if positive else nodes.add("Not", reached), "INT64")


def _isotonic(nodes: _Nodes, calibration: Isotonic, p: str, n_classes: int) -> str:
    """Functions that are linear between knots; those of more than two classes divided by their sum."""
    two, each = len(calibration.maps) == 1, []
    for k, (inputs, outputs) in enumerate(calibration.maps, start=int(two)):
        x = nodes.add("Gather", p, nodes.constant([k], np.int64), axis=1)
        first = nodes.constant(outputs[0], np.float64)
        if len(inputs) == 1:
            each.append(nodes.add("Add", nodes.add("Mul", x, nodes.constant(0, np.float64)), first))
            continue
        above = nodes.add("Div", nodes.add("Sub", x, nodes.constant(inputs[:-1])), nodes.constant(np.diff(inputs)))
        share = nodes.add("Clip", above, *(nodes.constant(end, np.float64) for end in (0, 1)))
        each.append(nodes.add("Add", nodes.add("MatMul", share, nodes.constant(np.diff(outputs)[:, None])), first))
    if two:
        return nodes.add("Concat", nodes.add("Sub", nodes.constant(1, np.float64), each[0]), each[0], axis=1)
    joined = nodes.add("Concat", *each, axis=1)
    total = nodes.add("ReduceSum", joined, nodes.constant([1], np.int64), keepdims=1)
    is_some = nodes.add("Greater", total, nodes.constant(0, np.float64))
    safe = nodes.add("Where", is_some, total, nodes.constant(1, np.float64))
    return nodes.add("Where", is_some, nodes.add("Div", joined, safe), nodes.constant(1 / n_classes, np.float64))


def _network(nodes: _Nodes, network: Network, X: str, positions: Sequence[int], output: str | None) -> tuple[str, str]:
    """Class indices and probabilities of one network; ``positions`` are the rows of W1 that X has columns for."""
    a = _logits(nodes, network, X, positions)
    if network.architecture.output == "softmax":
        return nodes.add("ArgMax", a, axis=1, keepdims=0), nodes.add("Softmax", a, axis=1, output=output)
    p = nodes.add("Sigmoid", a)
    both = nodes.add("Concat", nodes.add("Sub", nodes.constant(1, np.float32), p), p, axis=1, output=output)
    flat = nodes.add("Squeeze", a, nodes.constant([1], np.int64))
    above = nodes.add("Greater", flat, nodes.constant(0, np.float32))
    return nodes.cast(above, "INT64"), both


def _numbers(nodes: _Nodes, network: Network, X: str, positions: Sequence[int]) -> str:
    """What one network for numbers predicts, (n, 1), or its quantiles in rising order, (n, K)."""
    logits, output = _logits(nodes, network, X, positions), network.architecture.functions
    if network.architecture.output == "poisson":
        return nodes.add("Exp", nodes.add("Min", logits, nodes.constant(LARGEST_LOGARITHM, np.float32)))
    if not output.quantiles:
        return logits
    k = nodes.constant([len(output.quantiles)], np.int64)
    return nodes.add("TopK", logits, k, unused=("places",), axis=1, largest=0)


def _logits(nodes: _Nodes, network: Network, X: str, positions: Sequence[int]) -> str:
    """The logits of one network (n, n_outputs)."""
    shape, a, rows = network.architecture, X, list(positions)
    if shape.periodic is not None:
        a = nodes.add("Concat", X, _periodic(nodes, network, shape.periodic, X, positions), axis=1)
        rows += range(shape.n_features, shape.widths[0])
    layers = shape.views(network.theta)
    for number, ((W, b), adds_input) in enumerate(zip(layers, [*shape.adds_input, False], strict=True), start=1):
        weights = W[rows] if number == 1 else W
        with nodes.part(f"layer {number}"):
            before, a = a, nodes.add("Add", nodes.add("MatMul", a, nodes.constant(weights)), nodes.constant(b))
            if number < len(layers):
                a = _ACTIVATIONS[shape.activation](nodes, a)
            if adds_input:
                a = nodes.add("Add", a, before)
    return a


def _periodic(nodes: _Nodes, network: Network, spec: Periodic, X: str, positions: Sequence[int]) -> str:
    """The periodic inputs of one network, (n, columns · units); ``positions``: of the columns of X in its own."""
    (frequencies, phases), (U, b) = ((of[:, :-1], of[:, -1:]) for of in spec.views(network.theta))
    places = [positions.index(column) if column in positions else len(positions) for column in spec.columns]
    with nodes.part("periodic inputs"):
        first = nodes.add("Gather", X, nodes.constant([0], np.int64), axis=1)
        zero = nodes.add("Mul", first, nodes.constant(0, np.float32))
        padded = nodes.add("Concat", X, zero, axis=1)  # a column that this network's fold lacks is 0
        x = nodes.add("Gather", padded, nodes.constant(places, np.int64), axis=1)
        by_column = nodes.add("Unsqueeze", nodes.add("Transpose", x, perm=[1, 0]), nodes.constant([2], np.int64))
        angles = nodes.add("Add", nodes.add("Mul", by_column, nodes.constant(frequencies)), nodes.constant(phases))
        taken = nodes.add("MatMul", nodes.add("Sin", angles), nodes.constant(U))
        units = nodes.add("Relu", nodes.add("Add", taken, nodes.constant(b)))
        by_row = nodes.add("Transpose", units, perm=[1, 0, 2])
        return nodes.add("Reshape", by_row, nodes.constant([-1, spec.n_inputs], np.int64))


def _gelu(nodes: _Nodes, z: str) -> str:
    """Z (1 + tanh(c (z + k z³))) / 2"""
    c, k = (nodes.constant(x, np.float32) for x in GELU)
    half = nodes.constant(0.5, np.float32)
    inner = nodes.add("Add", z, nodes.add("Mul", k, nodes.add("Mul", z, nodes.add("Mul", z, z))))
    tanh = nodes.add("Tanh", nodes.add("Mul", c, inner))
    return nodes.add("Mul", z, nodes.add("Add", half, nodes.add("Mul", half, tanh)))


_ACTIVATIONS: dict[str, Callable[[_Nodes, str], str]] = {
    "relu": lambda nodes, z: nodes.add("Relu", z),
    "leaky_relu": lambda nodes, z: nodes.add("LeakyRelu", z, alpha=LEAK),
    "tanh": lambda nodes, z: nodes.add("Tanh", z),
    "sigmoid": lambda nodes, z: nodes.add("Sigmoid", z),
    "selu": lambda nodes, z: nodes.add("Selu", z, gamma=SELU[0], alpha=SELU[1]),
    "silu": lambda nodes, z: nodes.add("Mul", z, nodes.add("Sigmoid", z)),
    "gelu": _gelu,
    "mish": lambda nodes, z: nodes.add("Mul", z, nodes.add("Tanh", nodes.add("Softplus", z))),
}


# --- the encoding -----------------------------------------------------------------------------------------------------


def _read_missing(nodes: _Nodes, model: Model, place: Mapping[str, int]) -> None:
    """What counts as missing besides NaN and empty texts: the spellings of ``tuner predict``."""
    spelled = model.encodings[0].missing
    nodes.missing = missing_texts(model.encodings[0])
    columns = {column.name: column for encoding in model.encodings for column in encoding.columns if column.features}
    values = {
        place[name]: missing_numbers(column, spelled)
        for name, column in columns.items()
        if column.encoder.reads is not Reads.TEXT
    }
    with nodes.part("missing numbers"):
        for nth in range(max(map(len, values.values()), default=0)):
            row = [each[nth] if nth < len(each) else math.nan for _, each in sorted(values.items())]
            stand_in = nodes.add("Equal", nodes.numbers, nodes.constant(row, np.float64))
            nodes.numbers = nodes.add("Where", stand_in, nodes.constant(math.nan, np.float64), nodes.numbers)


def _encode(nodes: _Nodes, encoding: Encoding, place: Mapping[str, int]) -> Piece:
    """The encoded inputs; ``place``: where in the input of numbers or of categories each column stands."""
    pieces: list[Piece] = []
    values: list[tuple[int, FittedColumn, Feature]] = []
    absent: list[tuple[int, FittedColumn, Feature]] = []
    for column in encoding.columns:
        for feature in column.features:
            if column.encoder.in_blocks and feature.part != MISSING and column.form is None:
                values.append((place[column.name], column, feature))
            elif column.encoder.reads is not Reads.TEXT and feature.part == MISSING:
                absent.append((place[column.name], column, feature))
    if values:
        with nodes.part("numbers"):
            pieces.append((_values(nodes, values), [feature.position for _, _, feature in values]))
    if absent:
        with nodes.part("missing"):
            picked = nodes.add("Gather", nodes.numbers, nodes.constant([k for k, _, _ in absent], np.int64), axis=1)
            flags = nodes.cast(nodes.add("IsNaN", picked), "FLOAT")
        pieces.append((flags, [feature.position for _, _, feature in absent]))
    for column in encoding.columns:
        if column.formed:
            with nodes.part(f"column {column.name}"):
                pieces.append(_formed(nodes, column, place[column.name]))
        elif column.features and not column.encoder.in_blocks:
            with nodes.part(f"column {column.name}"):
                pieces += GRAPHS[column.kind](nodes, column, place[column.name])
    joined = pieces[0][0] if len(pieces) == 1 else nodes.add("Concat", *(name for name, _ in pieces), axis=1)
    return joined, [position for _, positions in pieces for position in positions]


def _values(nodes: _Nodes, values: Sequence[tuple[int, FittedColumn, Feature]]) -> str:
    """Numbers, missing ones filled, normalized, within what float32 holds."""
    raw = nodes.add("Gather", nodes.numbers, nodes.constant([k for k, _, _ in values], np.int64), axis=1)
    fill = nodes.constant([column.fill for _, column, _ in values], np.float64)
    filled = nodes.add("Where", nodes.add("IsNaN", raw), fill, raw)
    normalized = _normalized(nodes, filled, [feature for _, _, feature in values])
    ends = (nodes.constant(sign * LARGEST_INPUT, np.float64) for sign in (-1, 1))
    return nodes.cast(nodes.add("Clip", normalized, *ends), "FLOAT")


def _undone(nodes: _Nodes, transform: TargetTransform, z: str, *, output: str) -> None:
    """From what the networks predict, float64 (n,), to the numbers."""

    def constant(value: float) -> str:
        return nodes.constant(value, np.float64)

    z = nodes.add("Clip", z, constant(transform.low), constant(transform.high))
    if transform.name == "quantile":  # the first line, and from each knot on the change of the slope
        values = np.array(transform.values)
        slopes = np.diff(transform.knots) / np.diff(values)
        changes = np.diff(slopes, prepend=0)
        axis = nodes.constant([-1], np.int64)
        beyond = nodes.add("Sub", nodes.add("Unsqueeze", z, axis), nodes.constant(values[:-1]))
        positive = nodes.add("Max", beyond, constant(0.0))
        risen = nodes.add("Squeeze", nodes.add("MatMul", positive, nodes.constant(changes[:, None])), axis)
        nodes.add("Add", risen, constant(transform.knots[0]), output=output)
        return
    scaled = nodes.add("Add", nodes.add("Mul", z, constant(transform.width)), constant(transform.center))
    if transform.name == "log":
        size = nodes.add("Sub", nodes.add("Exp", nodes.add("Abs", scaled)), constant(1.0))
        scaled = nodes.add("Mul", nodes.add("Mul", nodes.add("Sign", scaled), size), constant(transform.toe))
    nodes.add("Identity", scaled, output=output)


def _normalized(nodes: _Nodes, raw: str, features: Sequence[Feature]) -> str:
    """(x − μ) / σ"""
    mean, scale = ([getattr(feature, key) for feature in features] for key in ("mean", "scale"))
    return nodes.add("Div", nodes.add("Sub", raw, nodes.constant(mean)), nodes.constant(scale))


def _formed(nodes: _Nodes, column: FittedColumn, place: int) -> Piece:
    """The inputs that the form of a number makes, in float64 until they are done."""
    form = column.form
    assert form is not None
    z = _normalized(nodes, _filled(nodes, column, place), column.formed[:1])
    if form.name == "robust":
        ends = (nodes.constant(sign * LARGEST_INPUT, np.float64) for sign in (-1, 1))  # whose squares are finite
        share = nodes.add("Div", nodes.add("Clip", z, *ends), nodes.constant(ROBUST_LIMIT, np.float64))
        length = nodes.add("Sqrt", nodes.add("Add", nodes.add("Mul", share, share), nodes.constant(1, np.float64)))
        made = nodes.add("Mul", nodes.add("Div", share, length), nodes.constant(ROBUST_LIMIT, np.float64))
    else:
        knots = np.array(form.knots)
        above = nodes.add("Sub", z, nodes.constant(knots[:-1]))
        ends = (nodes.constant(end, np.float64) for end in (0, 1))
        made = nodes.add("Clip", nodes.add("Div", above, nodes.constant(np.diff(knots))), *ends)
        if form.is_quantile:
            rises = nodes.add("MatMul", made, nodes.constant(np.diff(form.values)[:, None]))
            made = nodes.add("Add", rises, nodes.constant(form.values[0], np.float64))
    return nodes.cast(made, "FLOAT"), [feature.position for feature in column.formed]


def _filled(nodes: _Nodes, column: FittedColumn, place: int) -> str:
    """A column of numbers or times, float64 (n, 1), without missing cells."""
    raw = nodes.add("Gather", nodes.numbers, nodes.constant([place], np.int64), axis=1)
    return nodes.add("Where", nodes.add("IsNaN", raw), nodes.constant(column.fill, np.float64), raw)


def _by_part(
    parts_of: Callable[[_Nodes, str], dict[str, str]], nodes: _Nodes, column: FittedColumn, place: int
) -> Iterator[Piece]:
    """Functions of a number or a time, by the names of their features, from a float64 (n, 1) without missing cells."""
    features = [feature for feature in column.features if feature.part != MISSING]
    if not features:
        return
    parts = parts_of(nodes, _filled(nodes, column, place))
    joined = nodes.add("Concat", *(parts[feature.part] for feature in features), axis=1)
    normalized = nodes.cast(_normalized(nodes, joined, features), "FLOAT")
    yield normalized, [feature.position for feature in features]


def _date_parts(nodes: _Nodes, seconds: str) -> dict[str, str]:
    """The time in days, and sine and cosine of its position in the year, the week and the day."""
    parts = {"time": nodes.add("Div", seconds, nodes.constant(DAY, np.float64))}
    for name, (origin, period) in DATE_CYCLES.items():
        cycles = nodes.add("Sub", seconds, nodes.constant(origin, np.float64))
        cycles = nodes.add("Div", cycles, nodes.constant(period, np.float64))
        share = nodes.add("Sub", cycles, nodes.add("Floor", cycles))
        angle = nodes.add("Mul", share, nodes.constant(2 * np.pi, np.float64))
        # cos x = sin(x + π/2): many versions of onnxruntime have no Cos of float64.
        ahead = nodes.add("Add", angle, nodes.constant(np.pi / 2, np.float64))
        parts |= {f"{name}_sin": nodes.add("Sin", angle), f"{name}_cos": nodes.add("Sin", ahead)}
    return parts


def _category(nodes: _Nodes, column: FittedColumn, place: int) -> Iterator[Piece]:
    """One flag for each known category, one for the others, one for missing cells, as far as the encoding has them."""
    levels = {feature.level: k for k, feature in enumerate(column.features) if feature.part == "level"}
    shared = {feature.part: k for k, feature in enumerate(column.features) if feature.part != "level"}
    none = len(column.features)
    others, missing = (shared.get(part, none) for part in ("rare", "missing"))
    flags = _of_category(nodes, place, levels, others, missing, np.eye(none + 1, none))
    yield flags, [feature.position for feature in column.features]


def _target_means(nodes: _Nodes, column: FittedColumn, place: int) -> Iterator[Piece]:
    """The means of the target of each known category, of the others and of missing cells."""
    assert column.means is not None
    levels = {level: k for k, level in enumerate(column.means.levels)}
    means = _of_category(nodes, place, levels, len(levels), len(levels) + 1, np.array(column.means.values[-1]))
    yield means, [feature.position for feature in column.features]


def _of_category(
    nodes: _Nodes, place: int, slots: dict[str, int], others: int, missing: int, table: NDArray[np.float64]
) -> str:
    """The rows of a table (slots, n_inputs) that categories have."""
    slots = slots | {text: missing for text in nodes.missing if text not in slots}
    text = nodes.add("Gather", CATEGORIES, nodes.constant(place, np.int64), axis=1)
    slot = nodes.add(
        "LabelEncoder",
        text,
        domain="ai.onnx.ml",
        keys_strings=list(slots),
        values_int64s=list(slots.values()),
        default_int64=others,
    )
    return nodes.add("Gather", nodes.constant(table, np.float32), slot, axis=0)


GRAPHS: dict[str, Callable[[_Nodes, FittedColumn, int], Iterator[Piece]]] = {
    "date": partial(_by_part, _date_parts),
    "categorical": _category,
    "target_encoded": _target_means,
}
"""Kind of column -> what makes its features, in the graph, of its place among the inputs' numbers or categories.

Values of blocks, and flags of missing numbers and times, are made of all columns at once."""
