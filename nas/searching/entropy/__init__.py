"""The entropy of convolutional networks, computed from their operators: what DeepMAD maximises (Shen et al., 2023)."""

from nas.searching.entropy.chain import Chain, NotChain, SuperBlock, read_chain
from nas.searching.entropy.figures import EntropyOfRows, Figures

__all__ = ["Chain", "EntropyOfRows", "Figures", "NotChain", "SuperBlock", "read_chain"]
