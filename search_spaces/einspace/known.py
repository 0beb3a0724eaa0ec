"""Networks of the literature as trees: the seeds of the paper's mixed search, written in the grammar.

They are the published ones as far as the grammar goes: convolutions have biases, rectifiers are leaky, and there is no
pooling but the mean before the classifier.
"""

from __future__ import annotations

from collections.abc import Sequence

IDENTITY = "computation(identity)"
NORM = "computation(norm)"
RECTIFIER = "computation(leaky-relu)"


def chain(*modules: str) -> str:
    """Modules one after another, as nested pairs: halves are chained first, so that no chain is deep."""
    if len(modules) == 1:
        return modules[0]
    middle = len(modules) // 2
    return f"sequential({chain(*modules[:middle])}, {chain(*modules[middle:])})"


def linear(width: int) -> str:
    """A linear layer over the last dimension."""
    return f"computation(linear{width})"


def convolution(width: int, kernel: int, stride: int) -> str:
    """A convolution: windows, a linear layer, and the image again."""
    return f"routing(im2col-k{kernel}s{stride}p{kernel // 2}, {linear(width)}, col2im)"


def residual(module: str, shortcut: str = IDENTITY) -> str:
    """A module and a shortcut, added."""
    return f"branching(clone2, {module}, {shortcut}, add)"


def _basic_block(width: int, stride: int, projected: bool) -> str:
    """He et al., Deep Residual Learning for Image Recognition, 2016: the block of two 3 x 3 convolutions."""
    body = chain(convolution(width, 3, stride), NORM, RECTIFIER, convolution(width, 3, 1), NORM)
    shortcut = chain(convolution(width, 1, stride), NORM) if projected else IDENTITY
    return chain(residual(body, shortcut), RECTIFIER)


def resnet(widths: Sequence[int], blocks: int) -> str:
    """A residual network with a 3 x 3 stem and no pooling; all stages but the first halve the image."""
    layers = [convolution(widths[0], 3, 1), NORM, RECTIFIER]
    for stage, width in enumerate(widths):
        for block in range(blocks):
            first = stage > 0 and block == 0
            layers.append(_basic_block(width, 2 if first else 1, first))
    return chain(*layers)


def wide_resnet(widths: Sequence[int], blocks: int) -> str:
    """Zagoruyko and Komodakis, Wide Residual Networks, 2016: norm and rectifier before each convolution; stem of 16.

    A block that changes width or size projects its normalised input on the shortcut; the others add what came in.
    """
    layers = [convolution(16, 3, 1)]
    for stage, width in enumerate(widths):
        stride = 2 if stage else 1
        body = chain(convolution(width, 3, stride), NORM, RECTIFIER, convolution(width, 3, 1))
        layers += [NORM, RECTIFIER, residual(body, convolution(width, 1, stride))]
        same = chain(NORM, RECTIFIER, convolution(width, 3, 1), NORM, RECTIFIER, convolution(width, 3, 1))
        layers += [residual(same)] * (blocks - 1)
    return chain(*layers, NORM, RECTIFIER)


def _attention(width: int, heads: int) -> str:
    """Vaswani et al., Attention Is All You Need, 2017: every head has its own query, key and value of all features."""
    part = width // heads
    keys = f"routing(identity, {linear(part)}, permute21)"
    weights = chain(f"branching(clone2, {linear(part)}, {keys}, scaled-dot)", "computation(softmax)")
    head = f"branching(clone2, {weights}, {linear(part)}, dot)"
    return chain(f"branching(clone{heads}, {head}, concat2x{heads})", linear(width))


def transformer(depth: int, width: int, heads: int, patch: int) -> str:
    """A vision transformer over patches, norm before attention and before the perceptron (two widths wide)."""
    layers = [f"routing(im2col-k{patch}s{patch}p0, {linear(width)}, identity)", "computation(position)"]
    for _ in range(depth):
        layers.append(residual(chain(NORM, _attention(width, heads))))
        layers.append(residual(chain(NORM, linear(2 * width), RECTIFIER, linear(width))))
    return chain(*layers, NORM)


def mlp_mixer(depth: int, width: int, patch: int, tokens: int) -> str:
    """Tolstikhin et al., MLP-Mixer: An all-MLP Architecture for Vision, 2021; `tokens` is how many patches an image has."""
    layers = [f"routing(im2col-k{patch}s{patch}p0, {linear(width)}, identity)"]
    for _ in range(depth):
        over_tokens = f"routing(permute21, {chain(linear(2 * tokens), RECTIFIER, linear(tokens))}, permute21)"
        layers.append(residual(chain(NORM, over_tokens)))
        layers.append(residual(chain(NORM, linear(4 * width), RECTIFIER, linear(width))))
    return chain(*layers, NORM)


KNOWN = {
    "resnet18": resnet((64, 128, 256, 512), 2),
    "wideresnet16-4": wide_resnet((64, 128, 256), 2),
    "transformer-4": transformer(depth=4, width=512, heads=8, patch=4),
    "mlp-mixer-4": mlp_mixer(depth=4, width=256, patch=4, tokens=64),
}
"""By name, for images of 32 x 32 pixels."""
