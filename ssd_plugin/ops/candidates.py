"""Which pairs of prior and class are worth a box: those above the threshold, the best of an image (SSD paper, section 3.1)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from .levels import at_least_float32

# Share of priors up to which they are taken one by one.
FEW = 1 / 8


class Candidates(NamedTuple):
    """Pairs of prior and class that passed the threshold, each field ``(N,)``; by image, score (highest first), class, prior."""

    image: Tensor
    score: Tensor
    label: Tensor
    prior: Tensor

    def take(self, index: Tensor) -> 'Candidates':
        """Those that an index or a mask names."""
        return Candidates(*(field[index] for field in self))

    def sorted(self) -> 'Candidates':
        """In order, from any."""
        pair = self.label * (self.prior.max() + 1 if len(self.prior) else 1) + self.prior
        # Stable sorts, from the last key to the first.
        order = pair.sort().indices
        order = order[self.score[order].sort(descending=True, stable=True).indices]
        return self.take(order[self.image[order].sort(stable=True).indices])


def likely_priors(
    cls_maps: Sequence[Tensor], num_outputs: int, background: int | None, score_threshold: float
) -> tuple[Tensor, Tensor, Tensor] | None:
    """The priors that can have a class with the score.

    A class of confidence t leaves at most 1 - t to the background, so its score before the softmax is higher than the background's
    by log(t / (1 - t)) at least. A sigmoid is the softmax beside a background whose score is 0.

    Args:
        cls_maps: per level, scores before the softmax ``(B, A * K, H, W)``.
        num_outputs: K.
        background: which of the K outputs is the background; ``None`` for sigmoids without one.
        score_threshold: t.

    Returns:
        Image ``(N,)``, prior ``(N,)`` and scores before the softmax ``(N, K)``; ``None`` if they are more than :data:`FEW` of all.
    """
    if score_threshold <= 0:
        return None
    # Less than that, as sums are rounded.
    least = math.log(score_threshold / max(1 - score_threshold, 1e-6)) - 1e-3
    others = slice(1, None) if background == 0 else slice(0, background)

    def passed(outputs: Tensor, dim: int) -> Tensor:
        best = outputs.movedim(dim, 0)[others].amax(dim=0)
        return (best if background is None else best - outputs.select(dim, background)) >= least

    views, masks = [], []
    for m in cls_maps:
        batch, channels, height, width = m.shape
        priors, cells = channels // num_outputs, height * width
        if m.is_contiguous():
            view = m.view(batch, priors, num_outputs, cells)
            masks.append(passed(view, 2).transpose(1, 2))
            views.append(view.permute(0, 3, 1, 2))
        else:  # channels last
            views.append(m.permute(0, 2, 3, 1).reshape(batch, cells, priors, num_outputs))
            masks.append(passed(views[-1], -1))
    if sum(mask.sum() for mask in masks) > FEW * sum(mask.numel() for mask in masks):
        return None
    found, start = [], 0
    for view, mask in zip(views, masks):  # (B, cells, A, K), (B, cells, A)
        image, cell, place = mask.nonzero(as_tuple=True)
        found.append((image, start + cell * view.shape[2] + place, at_least_float32(view[image, cell, place])))
        start += mask[0].numel()
    image, prior, logits = (torch.cat(parts) for parts in zip(*found))
    return image, prior, logits


def best_candidates(found: Candidates, images: Tensor, limit: int) -> tuple[Candidates, Tensor]:
    """The best ``limit`` candidates of each of the images, and whether these are all; for :func:`detect_best_first`."""
    counts = torch.bincount(found.image, minlength=int(images.max()) + 1)
    wanted = torch.zeros_like(counts, dtype=torch.bool).index_fill(0, images, True)
    return found.take((rank_in_group(found.image, counts) < limit) & wanted[found.image]), counts[images] <= limit


def select_candidates(scores: Tensor, score_threshold: float, images: Tensor, limit: int) -> tuple[Candidates, Tensor]:
    """The best ``limit`` pairs of prior and class of each image (more where scores are equal) that reach the threshold.

    Args:
        scores: ``(B, P, C)`` confidences, without the background.
        score_threshold: lowest score kept.
        images: ``(n,)`` the images to look at.
        limit: number of pairs kept per image.

    Returns:
        The candidates, and whether these are all of an image ``(n,)`` bool.
    """
    num_classes = scores.shape[2]
    flat = (scores if len(images) == len(scores) else scores[images]).flatten(1)
    if limit < flat.shape[1]:
        values, index = _best_pairs(flat.unflatten(1, (-1, num_classes)), limit + 1)
        complete = values[:, limit] < score_threshold
        lowest = torch.where(complete, score_threshold, values[:, limit - 1])
        # Of pairs as good as the last one topk takes any.
        ambiguous = bool((~complete & (values[:, limit] == lowest)).any())
    else:
        lowest, ambiguous = flat.new_full((len(flat),), score_threshold), True
        complete = torch.ones_like(lowest, dtype=torch.bool)
    if ambiguous:
        image, pair = (flat >= lowest.clamp(min=score_threshold).unsqueeze(1)).nonzero(as_tuple=True)
        score = flat[image, pair]
    else:
        image, place = (values[:, :limit] >= score_threshold).nonzero(as_tuple=True)
        pair, score = index[image, place], values[image, place]
    return Candidates(images[image], score, pair % num_classes, pair // num_classes).sorted(), complete


def _best_pairs(scores: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Values and places, both ``(B, number)``, of the highest of ``(B, P, C)`` scores, best first: they are among the priors of the
    highest best score."""
    _, num_priors, num_classes = scores.shape
    if number >= num_priors or num_classes == 1:
        return scores.flatten(1).topk(number, dim=1)
    prior = scores.amax(dim=2).topk(number, dim=1).indices
    rows = scores.gather(1, prior.unsqueeze(-1).expand(-1, -1, num_classes))
    values, place = rows.flatten(1).topk(number, dim=1)
    return values, prior.gather(1, place // num_classes) * num_classes + place % num_classes


def rank_in_group(group: Tensor, counts: Tensor) -> Tensor:
    """Place of each element within its group, from 0; groups are in order and have ``counts`` elements."""
    return torch.arange(len(group), device=group.device) - (counts.cumsum(0) - counts)[group]
