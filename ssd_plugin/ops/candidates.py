"""Select detection candidates by score threshold and top-k (SSD paper, section 3.1).

A candidate is a pair of prior and class. :func:`candidate_source` picks one of two ways to find the best of an image.
With a trained network, nearly all priors are background and are dropped before the softmax (:class:`SparseSource`);
otherwise all scores are searched (:class:`DenseSource`).
"""

import math
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from .levels import at_least_float32
from .output_layout import OutputLayout
from .predictions import Predictions

# Fraction of the priors up to which they are gathered one by one.
SPARSE_FRACTION = 1 / 8


class Candidates(NamedTuple):
    """Pairs of prior and class that reach the score threshold.

    Attributes:
        image: ``(N,)`` index of the image in the batch.
        score: ``(N,)`` confidence of the class.
        label: ``(N,)`` class, 0..C-1.
        prior: ``(N,)`` index of the prior.
    """

    image: Tensor
    score: Tensor
    label: Tensor
    prior: Tensor

    def take(self, index: Tensor) -> 'Candidates':
        """Return the candidates that an index or a mask selects."""
        return Candidates(*(field[index] for field in self))

    def sorted(self) -> 'Candidates':
        """Return the candidates sorted by image, score (highest first), label and prior."""
        pair = self.label * (self.prior.max() + 1 if len(self.prior) else 1) + self.prior
        # Stable sorts, from the last key to the first.
        order = pair.sort().indices
        order = order[self.score[order].sort(descending=True, stable=True).indices]
        return self.take(order[self.image[order].sort(stable=True).indices])


class CandidateSource(Protocol):
    """Interface of the ways to find the best candidates of images."""

    def best(self, images: Tensor, limit: int) -> tuple[Candidates, Tensor]:
        """Return the best candidates of some images, sorted as by :meth:`Candidates.sorted`.

        Args:
            images: ``(n,)`` indices of the images, ascending.
            limit: Candidates per image; more where scores tie.

        Returns:
            The candidates, and for each image whether these are all of its candidates, ``(n,)`` bool.
        """
        ...


class SparseSource(NamedTuple):
    """Source that holds all candidates of a batch.

    Attributes:
        candidates: The candidates, sorted as by :meth:`Candidates.sorted`.
    """

    candidates: Candidates

    def best(self, images: Tensor, limit: int) -> tuple[Candidates, Tensor]:
        """Take the first ``limit`` candidates of each image; arguments and result of :meth:`CandidateSource.best`."""
        image = self.candidates.image
        counts = torch.bincount(image, minlength=int(images.max()) + 1)
        wanted = torch.zeros_like(counts, dtype=torch.bool).index_fill(0, images, True)
        return self.candidates.take((rank_in_group(image, counts) < limit) & wanted[image]), counts[images] <= limit


class DenseSource(NamedTuple):
    """Source that searches the confidences of all priors.

    Attributes:
        scores: ``(B, P, C)`` confidences, without the background.
        score_threshold: Lowest score of a candidate.
    """

    scores: Tensor
    score_threshold: float

    def best(self, images: Tensor, limit: int) -> tuple[Candidates, Tensor]:
        """Find the candidates of highest score with ``topk``; arguments and result of :meth:`CandidateSource.best`."""
        num_classes = self.scores.shape[2]
        flat = (self.scores if len(images) == len(self.scores) else self.scores[images]).flatten(1)
        lowest = flat.new_full((len(flat),), self.score_threshold)
        complete = torch.ones_like(lowest, dtype=torch.bool)
        if limit < flat.shape[1]:
            values, index = _top_pairs(flat.unflatten(1, (-1, num_classes)), limit + 1)
            complete = values[:, limit] < self.score_threshold
            lowest = torch.where(complete, self.score_threshold, values[:, limit - 1])
            # `topk` breaks ties arbitrarily: where the last one kept ties with the next, all equal scores are taken
            # below instead.
            if not (~complete & (values[:, limit] == lowest)).any():
                image, rank = (values[:, :limit] >= self.score_threshold).nonzero(as_tuple=True)
                return self._candidates(images[image], values[image, rank], index[image, rank]), complete
        image, pair = (flat >= lowest.clamp(min=self.score_threshold).unsqueeze(1)).nonzero(as_tuple=True)
        return self._candidates(images[image], flat[image, pair], pair), complete

    def _candidates(self, image: Tensor, score: Tensor, pair: Tensor) -> Candidates:
        """Return candidates from flat indices of prior and class."""
        num_classes = self.scores.shape[2]
        return Candidates(image, score, pair % num_classes, pair // num_classes).sorted()


def candidate_source(
    predictions: Predictions, score_threshold: float, best_class_only: bool = False
) -> CandidateSource:
    """Return the cheaper of the two sources for these predictions.

    Args:
        predictions: Raw outputs of the network.
        score_threshold: Lowest score of a candidate.
        best_class_only: Whether a prior gives a candidate for its highest output only, and none if that is the
            background.
    """
    layout = predictions.layout
    likely = likely_priors(predictions, score_threshold, best_class_only)
    if likely is None:
        return DenseSource(_scores(layout, predictions.logits(), best_class_only), score_threshold)
    image, prior, logits = likely
    scores = _scores(layout, logits, best_class_only)
    row, label = (scores >= score_threshold).nonzero(as_tuple=True)
    return SparseSource(Candidates(image[row], scores[row, label], label, prior[row]).sorted())


def _scores(layout: OutputLayout, logits: Tensor, best_class_only: bool) -> Tensor:
    """Return the confidences ``(..., C)`` of logits ``(..., K)``, -inf for what is not the best class if asked."""
    scores = layout.confidences(logits)
    return scores.masked_fill(~layout.best_classes(logits), -math.inf) if best_class_only else scores


def likely_priors(
    predictions: Predictions, score_threshold: float, best_class_only: bool = False
) -> tuple[Tensor, Tensor, Tensor] | None:
    """Select the priors that can have a class with the score, by a bound that needs no softmax.

    A class of confidence t leaves at most 1 - t to the background, so its logit exceeds the background's by at least
    log(t / (1 - t)). A sigmoid is the softmax beside a background whose logit is 0. A class that is the highest output
    of its prior exceeds the background at any t.

    Args:
        predictions: Raw outputs of the network.
        score_threshold: t.
        best_class_only: As for :func:`candidate_source`.

    Returns:
        Image ``(N,)``, prior ``(N,)`` and logits ``(N, K)``; ``None`` if they are more than :data:`SPARSE_FRACTION` of
        all priors.
    """
    if score_threshold <= 0:
        return None
    # Lowered by the rounding error of the sums.
    least = math.log(score_threshold / max(1 - score_threshold, 1e-6)) - 1e-3
    layout = predictions.layout
    if best_class_only and layout.background is not None:
        least = max(least, 0.0)

    def passes(outputs: Tensor, dim: int) -> Tensor:
        best = outputs.movedim(dim, 0)[layout.foreground_outputs].amax(dim=0)
        if layout.background is None:
            return best >= least
        return best - outputs.select(dim, layout.background_output) >= least

    views, masks = [], []
    for m in predictions.cls_maps:
        batch, channels, height, width = m.shape
        priors, cells = channels // layout.num_outputs, height * width
        if m.is_contiguous():
            view = m.view(batch, priors, layout.num_outputs, cells)
            masks.append(passes(view, 2).transpose(1, 2))
            views.append(view.permute(0, 3, 1, 2))
        else:  # channels last
            views.append(m.permute(0, 2, 3, 1).reshape(batch, cells, priors, layout.num_outputs))
            masks.append(passes(views[-1], -1))
    if sum(mask.sum() for mask in masks) > SPARSE_FRACTION * sum(mask.numel() for mask in masks):
        return None
    found, start = [], 0
    for view, mask in zip(views, masks):  # (B, cells, A, K), (B, cells, A)
        image, cell, index = mask.nonzero(as_tuple=True)
        found.append((image, start + cell * view.shape[2] + index, at_least_float32(view[image, cell, index])))
        start += mask[0].numel()
    image, prior, logits = (torch.cat(parts) for parts in zip(*found))
    return image, prior, logits


def _top_pairs(scores: Tensor, number: int) -> tuple[Tensor, Tensor]:
    """Return values and flat indices, both ``(B, number)``, of the highest of ``(B, P, C)`` scores, best first.

    They are among the ``number`` priors whose best score is highest, so only those are searched.
    """
    _, num_priors, num_classes = scores.shape
    if number >= num_priors or num_classes == 1:
        values, pair = scores.flatten(1).topk(number, dim=1)
        return values, pair
    prior = scores.amax(dim=2).topk(number, dim=1).indices
    rows = scores.gather(1, prior.unsqueeze(-1).expand(-1, -1, num_classes))
    values, index = rows.flatten(1).topk(number, dim=1)
    return values, prior.gather(1, index // num_classes) * num_classes + index % num_classes


def rank_in_group(group: Tensor, counts: Tensor) -> Tensor:
    """Return the rank of each element within its group, from 0; groups are sorted and have ``counts`` elements."""
    return torch.arange(len(group), device=group.device) - (counts.cumsum(0) - counts)[group]
