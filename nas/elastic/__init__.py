"""Layers that hold choices, and the walk that reads a whole space from one definition of its network."""

from nas.elastic.attention import ElasticAttention, RelativeAttention
from nas.elastic.batched import Slots
from nas.elastic.concatenation import Concatenation, SelectedConv2d, SelectedLinear, Selection
from nas.elastic.conversion import Conversion, from_module
from nas.elastic.convolution import ElasticConv2d
from nas.elastic.direct import DirectGradients
from nas.elastic.importance import Axis, ChannelGroup, axes_of, axis_of, sort_channels
from nas.elastic.layer import Configurable, Dimension, ElasticLayer
from nas.elastic.linear import ElasticLinear
from nas.elastic.norm import ElasticBatchNorm2d, ElasticLayerNorm
from nas.elastic.parameter import ElasticParameter
from nas.elastic.patches import ElasticPatchEmbedding
from nas.elastic.relative import RelativePosition2d
from nas.elastic.relaxed_norm import RelaxedNorm
from nas.elastic.resize import ElasticResize, scaled_resolution
from nas.elastic.selection import InputChoice, SelectedSum
from nas.elastic.squeeze_excite import ElasticSqueezeExcite
from nas.elastic.structure import Depth, OperatorChoice, Optional, Switch
from nas.elastic.symbolic import Operator, SymbolicTensor, shape_rule
from nas.elastic.transformed import ElasticTransformedConv2d
from nas.elastic.unit import Unit
from nas.elastic.walk import Walk, walk

__all__ = [
    "Axis",
    "ChannelGroup",
    "Concatenation",
    "Configurable",
    "Conversion",
    "Depth",
    "Dimension",
    "DirectGradients",
    "ElasticAttention",
    "ElasticBatchNorm2d",
    "ElasticConv2d",
    "ElasticLayer",
    "ElasticLayerNorm",
    "ElasticLinear",
    "ElasticParameter",
    "ElasticPatchEmbedding",
    "ElasticResize",
    "ElasticSqueezeExcite",
    "ElasticTransformedConv2d",
    "InputChoice",
    "Operator",
    "OperatorChoice",
    "Optional",
    "RelativeAttention",
    "RelativePosition2d",
    "RelaxedNorm",
    "SelectedConv2d",
    "SelectedLinear",
    "SelectedSum",
    "Selection",
    "Slots",
    "Switch",
    "SymbolicTensor",
    "Unit",
    "Walk",
    "axes_of",
    "axis_of",
    "from_module",
    "scaled_resolution",
    "shape_rule",
    "sort_channels",
    "walk",
]
