"""The parts of block-wise self-supervised training (Li et al., BossNAS, 2021)."""
