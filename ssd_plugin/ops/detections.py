"""From scores to detections: SSD paper, section 3.1, "Inference time" and the settings of the original release.

Threshold, best of each class, non-maximum suppression per class, best of the image; for all images and classes at once.
"""
from typing import NamedTuple

import torch
import torchvision
from torch import Tensor


class Candidates(NamedTuple):
    """Pairs of prior and class that passed the threshold, of all images, each field ``(N,)``."""
    image: Tensor
    prior: Tensor
    label: Tensor
    score: Tensor


def select_candidates(scores: Tensor, score_threshold: float, top_k: int) -> Candidates:
    """The best ``top_k`` priors of each class in each image, those that reach the threshold.

    Args:
        scores: ``(B, P, C)`` confidences, without the background.
        score_threshold: lowest score kept.
        top_k: number of priors kept per image and class; below 0 for all.
    """
    num_priors = scores.shape[1]
    top_k = num_priors if top_k < 0 else min(top_k, num_priors)
    best, prior = scores.transpose(1, 2).topk(top_k, dim=2)  # (B, C, K)
    image, label, rank = (best >= score_threshold).nonzero(as_tuple=True)
    return Candidates(image, prior[image, label, rank], label, best[image, label, rank])


def suppress(boxes: Tensor, candidates: Candidates, num_images: int, iou_threshold: float | None,
             max_per_image: int) -> list[Tensor]:
    """Non-maximum suppression within each class of each image.

    Args:
        boxes: ``(N, 4)`` of the candidates, corner form in pixels.
        candidates: as from :func:`select_candidates`.
        num_images: B.
        iou_threshold: of two boxes that overlap by more, the lower score goes; ``None`` keeps all.
        max_per_image: number of detections kept in an image; below 0 for all.

    Returns:
        B index tensors into the candidates, highest score first.
    """
    if iou_threshold is None:
        keep = candidates.score.sort(descending=True, stable=True).indices
    else:
        groups = candidates.image * (candidates.label.max() + 1 if len(boxes) else 1) + candidates.label
        # Groups are kept apart by shifting their boxes, exact enough in double precision only.
        keep = torchvision.ops.batched_nms(boxes.double(), candidates.score.double(), groups, iou_threshold)
    image, by_image = candidates.image[keep].sort(stable=True)
    counts = torch.bincount(image, minlength=num_images).tolist()
    limit = len(keep) if max_per_image < 0 else max_per_image
    return [part[:limit] for part in keep[by_image].split(counts)]
