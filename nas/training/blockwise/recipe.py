"""The figures of block-wise training that other trainers have not."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from nas.training.recipe import Recipe


class BlockwiseRecipe(Recipe):
    """A recipe with the figures of ensemble bootstrapping and of the rating of paths."""

    paths: int = Field(4, ge=1, description="paths that learn from every image in a step, each from a pair of views")
    part: int = Field(
        64, ge=2, description="images that go through their paths at a time; gradients of a larger batch are accumulated"
    )
    fixed_channels: int | None = Field(
        None, gt=0, description="channels to which maps of several sizes are brought; null for those of the smallest map"
    )
    hidden: int = Field(4096, gt=0, description="hidden width of projectors and predictors")
    projected: int = Field(256, gt=0, description="width of the projections")
    teacher_decay: float = Field(0.99, ge=0, le=1, description="of the teacher's moving average at first; it rises to 1")
    rating: Literal["auto", "exhaustive", "evolution"] = Field(
        "auto", description="which paths of a block are rated: all, those of an evolution, or all up to `rating_limit`"
    )
    rating_limit: int = Field(500, gt=0, description="paths of a block beyond which 'auto' means evolution")
    rating_epochs: float = Field(
        2.0, gt=0, allow_inf_nan=False, description="epochs between two ratings; each block ends with one besides"
    )
    rating_images: int = Field(1024, gt=0, description="held images that paths are rated on; fewer where fewer are held")
    population: int = Field(50, ge=2, description="paths in a generation of the evolution")
    generations: int = Field(20, ge=1, description="generations of the evolution, the first included")
    parents: int = Field(10, ge=1, description="best paths so far that a generation descends from")
    mutation: float = Field(0.1, ge=0, le=1, description="probability with which a mutation draws a decision anew")
