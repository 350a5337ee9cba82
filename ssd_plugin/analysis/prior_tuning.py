"""Search for the sizes and aspect ratios of priors that fit the objects of a dataset.

The score of priors is a weighted mean over the training objects of

    best IoU of any prior + 3 recall,  recall = (best IoU - (t - 0.1)) / 0.2, clipped to [0, 1],

for the threshold t of the matcher. Recall counts an object in full only where it clears the threshold by a margin, so
that objects which were not seen clear it as well. It weighs most, and classes weigh equally, as in mAP: otherwise the
priors fit a frequent class better at the cost of a rare one. On BCCD, whose platelets are 9% of the objects, a plain
mean of IoU and recall left 11% of the platelets of the test split without a prior that all of them had before.

The start is IoU k-means (Redmon and Farhadi, "YOLO9000", section 2, "Dimension Clusters"), the search SciPy's
differential evolution (Storn and Price, 1997).
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.optimize import differential_evolution
from torch import Tensor

from ssd_plugin.models.task_modules import SSDPriorGenerator
from ssd_plugin.ops.prior_fit import nearest_cell_offsets, nearest_prior_iou
from ssd_plugin.ops.priors import cell_shapes

from .config_priors import ConfigPriors
from .prior_objects import Objects

# Weight of the recall, where that of the best IoU is 1.
RECALL_WEIGHT = 3.0
# Half the width of the range around the threshold in which recall rises.
MARGIN = 0.1
# Below this number of objects, a class weighs in proportion to it: few objects say little about others.
FEW = 50
# Objects that the search looks at: results change by less than what the seed changes.
SAMPLE = 2000
# Largest side of a level's smallest prior in strides. The levels of SSD300 have 0.9 to 3.8; larger priors ask for more
# context than the cells of a level see.
MOST_STRIDES = 4.0
# Largest ratios of the extra square's side to the first one's, and of a prior's sides; and the smallest that makes a
# prior of its own.
MOST_EXTRA, MOST_RATIO, LEAST_RATIO = 2.0, 4.0, 1.1
# A level keeps what the config has if other settings would raise the score by less.
WORTHWHILE = 1e-3
# Candidates per parameter and generations of the search; it ends earlier when the candidates agree.
POPULATION, GENERATIONS, TOLERANCE = 6, 80, 1e-4


class LevelSettings(NamedTuple):
    """Priors of a level, as ``SSDPriorGenerator`` takes them.

    Attributes:
        sizes: In pixels: (min, max), where the extra square has the side sqrt(min * max), (min,), or the sides of
            square priors.
        ratios: Aspect ratios; ``None`` for a level of square priors.
    """

    sizes: tuple[float, ...]
    ratios: tuple[float, ...] | None

    def shapes(self, flip: bool) -> list[tuple[float, float]]:
        """Return the widths and heights of the priors of a cell, in pixels."""
        if self.ratios is None:
            return [(size, size) for size in self.sizes]
        extra = math.sqrt(self.sizes[0] * self.sizes[1]) if len(self.sizes) == 2 else None
        return cell_shapes(self.sizes[0], extra, self.ratios, flip)


def own_settings(options: dict[str, Any], generator: SSDPriorGenerator) -> list[LevelSettings]:
    """Return the priors of a generator as sizes in pixels, whichever way it takes them.

    Scales of the two sides of an input that is not square become the side of the square of the same area.

    Args:
        options: Settings of the generator.
        generator: The generator with these settings.
    """
    levels = []
    ratios = options.get('aspect_ratios') or [None if options.get('sizes') else ()] * generator.num_levels
    for index, (shapes, level_ratios) in enumerate(zip(generator.shapes, ratios)):
        if options.get('sizes'):
            sizes = tuple(options['sizes'][index])
        else:
            sides = shapes.prod(dim=1).sqrt()
            low, high = sides.min().item(), sides.max().item()
            sizes = (low, high**2 / low) if options.get('extra_prior', True) else (low,)
        levels.append(LevelSettings(sizes, None if level_ratios is None else tuple(level_ratios)))
    return levels


def with_number(levels: Sequence[LevelSettings], number: int, flip: bool) -> list[LevelSettings]:
    """Return settings of another number of priors in a cell, to start a search from.

    Args:
        levels: Settings of each level.
        number: Priors of a cell: a square; a second one if the number is even, or without ``flip`` if it is above 1;
            and ratios.
        flip: Whether each ratio gives two priors.
    """
    changed = []
    for level in levels:
        low = min(level.sizes)
        if level.ratios is None:
            changed.append(LevelSettings(tuple(low * 2 ** (k / number) for k in range(number)), None))
            continue
        extra = number % 2 == 0 if flip else number > 1
        rest = number - 1 - extra
        ratios = (
            tuple(2.0 + k for k in range(rest // 2))
            if flip
            else tuple(2.0 ** (k - rest / 2 + 0.5) for k in range(rest))
        )
        changed.append(LevelSettings((low, 2 * low) if extra else (low,), ratios))
    return changed


def size_clusters(sizes: Tensor, number: int, seed: int, rounds: int = 30) -> Tensor:
    """Cluster widths and heights by k-means with the distance 1 - IoU at a common center.

    Args:
        sizes: ``(N, 2)`` widths and heights, positive.
        number: Number of clusters.
        seed: Seed of the first centers.
        rounds: Most rounds.

    Returns:
        ``(number, 2)`` centers, by area in ascending order; several are equal where there are fewer different sizes.
    """
    generator = torch.Generator().manual_seed(seed)
    chosen = torch.randint(len(sizes), (number,), generator=generator)
    centers, zero = sizes[chosen], torch.zeros_like(sizes)
    for _ in range(rounds):
        owner = nearest_prior_iou(sizes, zero, centers).argmax(dim=1)
        members = torch.bincount(owner, minlength=number).unsqueeze(1)
        sums = torch.zeros_like(centers).index_add_(0, owner, sizes)
        moved = torch.where(members > 0, sums / members.clamp(min=1), centers)
        if torch.equal(moved, centers):
            break
        centers = moved
    return centers[centers.prod(dim=1).argsort()]


def class_weights(labels: Tensor) -> Tensor:
    """Return the weight of each object ``(N,)``, by which classes of :data:`FEW` objects or more weigh equally.

    Args:
        labels: ``(N,)`` int64, at least one.

    Returns:
        ``(N,)``, in sum 1.
    """
    weights = 1 / torch.bincount(labels).clamp(min=FEW)[labels]
    return weights / weights.sum()


def pooled(parts: Sequence[Objects]) -> tuple[Tensor, Tensor]:
    """Return the boxes ``(N, 4)`` of several sets of objects and their weights ``(N,)``: each set weighs the same.

    Objects as annotated are those that detection sees, augmented ones those that training sees. Priors of SSD300 for
    BCCD, in an augmentation that zooms out up to 4 times: tuned on the first alone, they reach all objects of the test
    split (mean best IoU 0.727) and 91.4% of augmented ones; tuned on both, 99.9% (0.713) and 93.5%.
    """
    weights = torch.cat([class_weights(objects.labels) for objects in parts]) / len(parts)
    return torch.cat([objects.boxes for objects in parts]), weights


def score(best: Tensor, weights: Tensor, threshold: float) -> float:
    """Return the score of priors: the weighted sum of the mean best IoU and of the recall with a margin.

    Args:
        best: ``(N,)`` highest IoU of each object with a prior.
        weights: ``(N,)``, in sum 1.
        threshold: IoU of the matcher.
    """
    recall = ((best - (threshold - MARGIN)) / (2 * MARGIN)).clamp(0, 1)
    return ((best + RECALL_WEIGHT * recall) * weights).sum().item()


class Sample:
    """Training objects that priors are scored on.

    Args:
        priors: Priors of the config, for their levels.
        boxes: ``(N, 4)`` objects, xyxy in pixels of the input, at least one.
        weights: ``(N,)`` weight of each object.
        threshold: IoU of the matcher.
        flip: ``flip`` of the generator.
    """

    def __init__(self, priors: ConfigPriors, boxes: Tensor, weights: Tensor, threshold: float, flip: bool) -> None:
        self.sizes, self.weights, self.threshold, self.flip = boxes[:, 2:] - boxes[:, :2], weights, threshold, flip
        self.offsets = [nearest_cell_offsets(boxes, level.featmap_size, level.step) for level in priors.levels]

    def level_iou(self, level: int, settings: LevelSettings) -> Tensor:
        """Return the highest IoU of each object with the priors of a level, ``(N,)``."""
        shapes = self.sizes.new_tensor(settings.shapes(self.flip))
        return nearest_prior_iou(self.sizes, self.offsets[level], shapes).amax(dim=1)

    def score(self, levels: Sequence[LevelSettings]) -> float:
        """Return the :func:`score` of the priors with some settings."""
        best = torch.stack([self.level_iou(*level) for level in enumerate(levels)]).amax(dim=0)
        return score(best, self.weights, self.threshold)


class SearchSpace:
    """Settings as vectors of logarithms, within bounds, with sizes that ascend over the levels.

    Of a level with ratios, the numbers are the size, the extra square over it, and the ratios; of a level of squares,
    their sizes.

    Args:
        levels: Settings of the config, whose structure is kept.
        priors: Priors of the config.
        flip: ``flip`` of the generator.
    """

    def __init__(self, levels: Sequence[LevelSettings], priors: ConfigPriors, flip: bool) -> None:
        self.levels = list(levels)
        self.start = self.vector(levels)
        bounds = []
        for settings, level in zip(levels, priors.levels):
            stride, own = min(level.stride), min(settings.sizes)
            side = (min(stride, own), max(MOST_STRIDES * stride, own))
            if settings.ratios is None:
                bounds += [(side[0], max(side[1], max(settings.sizes)))] * len(settings.sizes)
                continue
            ratio = (LEAST_RATIO if flip else 1 / MOST_RATIO, MOST_RATIO)
            bounds += [side, *[(1.0, MOST_EXTRA)] * (len(settings.sizes) - 1), *[ratio] * len(settings.ratios)]
        self.bounds = np.log(bounds)  # (D, 2)

    @staticmethod
    def vector(levels: Sequence[LevelSettings]) -> np.ndarray:
        """Return settings as a vector ``(D,)``."""
        values: list[float] = []
        for sizes, ratios in levels:
            if ratios is None:
                values += sizes
            else:
                values += [sizes[0], *(math.sqrt(size / sizes[0]) for size in sizes[1:]), *ratios]
        return np.log(values)

    def settings(self, vector: np.ndarray) -> list[LevelSettings]:
        """Return the settings that a vector ``(D,)`` stands for."""
        values, found, low = iter(np.exp(vector).tolist()), [], 0.0
        for sizes, ratios in self.levels:
            if ratios is None:
                sides = sorted(max(next(values), low) for _ in sizes)
                low = sides[0]
                found.append(LevelSettings(tuple(sides), None))
                continue
            low = max(next(values), low)
            extras = tuple(low * next(values) ** 2 for _ in sizes[1:])
            found.append(LevelSettings((low, *extras), tuple(sorted(next(values) for _ in ratios))))
        return found

    def from_sides(self, sides: Sequence[float]) -> np.ndarray:
        """Return the vector ``(D,)`` of the config's settings with other sizes of the levels, in proportion."""
        return self.vector(
            [
                LevelSettings(tuple(size * side / min(level.sizes) for size in level.sizes), level.ratios)
                for level, side in zip(self.levels, sides)
            ]
        )

    def population(self, starts: Sequence[np.ndarray], number: int, random: np.random.Generator) -> np.ndarray:
        """Return the first candidates ``(number, D)``: the starts, others near them, and random ones."""
        low, high = self.bounds.T
        spread = random.uniform(low, high, (number, len(low)))
        near = np.array(starts)[np.arange(number // 2) % len(starts)]
        near[len(starts) :] += random.normal(0, 0.2, near[len(starts) :].shape)
        spread[: len(near)] = near
        return spread.clip(low, high)


def propose(
    own: Sequence[LevelSettings],
    priors: ConfigPriors,
    boxes: Tensor,
    weights: Tensor,
    threshold: float,
    flip: bool,
    seed: int,
    progress: Callable[[], object] = lambda: None,
) -> list[LevelSettings]:
    """Return sizes and ratios for the levels of a config, rounded as they are written.

    Args:
        own: Settings of each level, whose number of priors is kept.
        priors: Priors of the config.
        boxes: ``(N, 4)`` training objects, xyxy in pixels of the input, at least one.
        weights: ``(N,)`` weight of each object, in sum 1.
        threshold: IoU of the matcher.
        flip: ``flip`` of the generator.
        seed: Seed of the search; the same one gives the same result.
        progress: Called after each generation, at most :data:`GENERATIONS` times.
    """
    random = np.random.default_rng(seed)
    if len(boxes) > SAMPLE:
        # Drawn by weight, of which rare classes have most of theirs, and then equal.
        probabilities = weights.double().numpy()
        boxes = boxes[random.choice(len(boxes), SAMPLE, p=probabilities / probabilities.sum())]
        weights = torch.full((SAMPLE,), 1 / SAMPLE)
    sample = Sample(priors, boxes, weights, threshold, flip)
    space = SearchSpace(own, priors, flip)
    clusters = size_clusters(sample.sizes, len(own), seed).prod(dim=1).sqrt().tolist()
    starts = [space.start, space.from_sides(clusters)]
    number = max(POPULATION * len(space.bounds), 2 * len(starts))

    def after_generation(*_: Any, **__: Any) -> None:
        # A callback that returns something true ends the search.
        progress()

    result = differential_evolution(
        lambda vector: -sample.score(space.settings(vector)),
        space.bounds,
        init=space.population(starts, number, random),
        maxiter=GENERATIONS,
        tol=TOLERANCE,
        polish=False,
        rng=np.random.default_rng(seed),
        callback=after_generation,
    )
    found = [_rounded(level) for level in space.settings(result.x)]
    for index, level in enumerate(own):
        for kept in _less_changed(found[index], level):
            others = [*found[:index], kept, *found[index + 1 :]]
            if sample.score(others) > sample.score(found) - WORTHWHILE:
                found = others
                break
    return found


def _less_changed(found: LevelSettings, own: LevelSettings) -> list[LevelSettings]:
    """Return settings of a level that change the config less than those found, which are kept if they do as well."""
    if found.ratios is None:
        return [own]
    extra = tuple(found.sizes[0] * size / own.sizes[0] for size in own.sizes)
    steps = [
        LevelSettings(extra, own.ratios),
        LevelSettings(extra, found.ratios),
        LevelSettings(found.sizes, own.ratios),
    ]
    return [own, *map(_rounded, steps)]


def _rounded(level: LevelSettings) -> LevelSettings:
    """Return settings with the digits that matter: a few percent of an object's side change no IoU by more."""
    sizes = tuple(round(size, 0 if size >= 32 else 1) for size in level.sizes)
    return LevelSettings(sizes, None if level.ratios is None else tuple(round(ratio, 2) for ratio in level.ratios))
