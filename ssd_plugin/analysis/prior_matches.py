"""Priors that the matcher of a config matches to the objects of an image."""

from typing import NamedTuple

import torch
from mmengine.config import Config
from torch import Tensor

from ssd_plugin.errors import UserError
from ssd_plugin.models.task_modules import Matcher
from ssd_plugin.ops.boxes import pairwise_iou
from ssd_plugin.ops.targets import IGNORED, GroundTruth, PairMatches, PriorMatches

from .config_priors import ConfigPriors, build_task, pixels
from .input_images import ImageObjects
from .text_tables import aligned


class ObjectMatches(NamedTuple):
    """M pairs of an object and a prior, sorted by object and then by IoU in descending order.

    Attributes:
        object: ``(M,)`` int64, index of the object.
        prior: ``(M,)`` int64, index of the prior.
        iou: ``(M,)``.
        forced: ``(M,)`` bool, whether the IoU is below the threshold: the prior is the object's best one.
        best: ``(M,)`` bool, whether the pair has the highest IoU of the object's pairs.
        best_iou: ``(G,)`` highest IoU of each object with any prior.
        remarks: ``(G,)``, why an object has no prior, or only one below the threshold; empty for any other.
        threshold: IoU of the matcher.
        num_excluded: Number of priors that training excludes from the negatives, for objects with an ignore flag.
    """

    object: Tensor
    prior: Tensor
    iou: Tensor
    forced: Tensor
    best: Tensor
    best_iou: Tensor
    remarks: list[str]
    threshold: float
    num_excluded: int


def matcher_of(cfg: Config) -> Matcher:
    """Return the matcher of a config.

    Raises:
        UserError: The head has none, as those of MMDetection, or its settings contradict each other.
    """
    head = cfg.model.bbox_head
    if head.get('type') != 'MultiBoxHead' and 'matcher' not in head:
        raise UserError(f'{head.get("type")} has no matcher (model.bbox_head.matcher), which MultiBoxHead has')
    # The default of MultiBoxHead.
    matcher = build_task(head.get('matcher', dict(type='SSDMatcher')), 'matcher')
    if not isinstance(matcher, Matcher):
        raise UserError(f'{type(matcher).__name__} is neither SSDMatcher nor ManyToManyMatcher')
    return matcher


def match_objects(matcher: Matcher, priors: Tensor, objects: ImageObjects) -> ObjectMatches:
    """Match priors to the objects of an image, as training does.

    Args:
        matcher: The matcher.
        priors: ``(P, 4)`` xyxy in pixels.
        objects: The objects, at least one.
    """
    flags = objects.ignored[None] if objects.ignored.any() else None
    ground_truth = GroundTruth(objects.boxes[None], objects.labels[None], flags, [len(objects.boxes)])
    found = matcher(priors, ground_truth)
    if isinstance(found, PairMatches):
        owner, prior = found.object[found.valid], found.prior[found.valid]
        num_excluded = 0 if found.excluded is None else int(found.excluded.sum())
    else:
        (prior,) = (found.object[0] >= 0).nonzero(as_tuple=True)
        owner = found.object[0, prior]
        num_excluded = int((found.object == IGNORED).sum())
    all_iou = pairwise_iou(objects.boxes, priors)  # (G, P)
    iou = all_iou[owner, prior]
    order = iou.argsort(descending=True, stable=True)
    order = order[owner[order].argsort(stable=True)]
    owner, prior, iou = owner[order], prior[order], iou[order]
    best = torch.ones_like(owner, dtype=torch.bool)
    best[1:] = owner[1:] != owner[:-1]
    inclusive = getattr(matcher, 'inclusive', False)
    forced = iou < matcher.iou_threshold if inclusive else iou <= matcher.iou_threshold
    best_iou = all_iou.amax(dim=1)
    counts = torch.stack([torch.bincount(owner[mask], minlength=len(best_iou)) for mask in (forced, ~forced)], dim=1)
    remarks = [
        _remark(matcher, *facts)
        for facts in zip(counts.tolist(), best_iou.tolist(), matcher.objects(ground_truth)[0].tolist())
    ]
    return ObjectMatches(owner, prior, iou, forced, best, best_iou, remarks, matcher.iou_threshold, num_excluded)


def _remark(matcher: Matcher, counts: tuple[int, int], best_iou: float, takes_part: bool) -> str:
    """Return what is notable about an object.

    Args:
        matcher: The matcher.
        counts: Number of its priors below the threshold, and of the others.
        best_iou: Its highest IoU.
        takes_part: Whether the matcher matches it at all.
    """
    forced, others = counts
    if others:
        return ''
    if forced:
        return 'its best prior only, below the threshold'
    if not takes_part:
        return f'no prior: it has an ignore flag (ignored={matcher.ignored!r})'
    if best_iou == 0:
        return 'no prior: it overlaps none'
    if matcher.gives is PriorMatches:
        return 'no prior: other objects take its priors'
    return 'no prior: no IoU exceeds the threshold'


def object_lines(priors: ConfigPriors, objects: ImageObjects, matches: ObjectMatches) -> list[str]:
    """Return a table of the objects: class, size, number of matched priors by level, highest IoU."""
    num_levels = len(priors.levels)
    level = priors.locate(matches.prior)[:, 0]
    counts = torch.zeros(len(objects.boxes), num_levels, dtype=torch.long)
    counts.index_put_((matches.object, level), torch.ones_like(level), accumulate=True)
    rows = [['object', 'class', 'size', 'best IoU', 'priors', *(f'level {k}' for k in range(num_levels)), '']]
    for index, (name, box) in enumerate(zip(objects.names, objects.boxes.tolist())):
        rows.append(
            [
                str(index),
                name,
                pixels(box[2] - box[0], box[3] - box[1]),
                f'{matches.best_iou[index]:.2f}',
                str(int(counts[index].sum())),
                *map(str, counts[index].tolist()),
                matches.remarks[index],
            ]
        )
    total = ['', 'all', '', '', str(len(matches.prior)), *map(str, counts.sum(dim=0).tolist()), '']
    lines = aligned([*rows, total], left=[1, 5 + num_levels])
    if matches.num_excluded:
        lines.append(f'{matches.num_excluded} priors in objects with an ignore flag are excluded from the negatives')
    return lines
