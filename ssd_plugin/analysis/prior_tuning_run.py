"""Tune the priors of a config on its training objects, and judge them on objects that the search has not seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mmengine.config import Config
from torch import Tensor
from tqdm import tqdm

from ssd_plugin.errors import UserError

from . import prior_objects, prior_tuning, tuned_config
from .config_priors import ConfigPriors, priors_of
from .prior_comparison import Fit, fit_of
from .prior_matches import matcher_of
from .prior_objects import Objects

# Augmented training samples whose objects weigh as much as those that are annotated.
AUGMENTED = 1000
# Fewer training objects are said to be few.
FEW_OBJECTS = 200


@dataclass(frozen=True)
class PriorTuning:
    """Result of a search for priors.

    Attributes:
        key: Key of the prior generator in the head.
        changes: Settings of the generator to change.
        kept: For each level, whether its priors are those of the config.
        priors: Priors of the config.
        tuned: Tuned priors.
        before: How well the config's priors fit the unseen objects.
        after: How well the tuned priors fit them.
        unseen: The objects that the search has not seen.
        boxes: ``(N, 4)`` objects that it has seen, xyxy in pixels of the input.
        training: What it has seen, in words.
        split: What the unseen objects are, in words.
    """

    key: str
    changes: dict[str, Any]
    kept: list[bool]
    priors: ConfigPriors
    tuned: ConfigPriors
    before: Fit
    after: Fit
    unseen: Objects
    boxes: Tensor
    training: str
    split: str

    @property
    def is_better(self) -> bool:
        """Whether the tuned priors fit the unseen objects better."""
        return self.after.is_better_than(self.before)

    @property
    def judged_on(self) -> str:
        """The unseen objects, in words."""
        return f'{len(self.unseen)} objects of {self.split}'


def tune(
    cfg: Config,
    seed: int,
    augmented: int = AUGMENTED,
    priors_per_cell: int | None = None,
    log: Callable[[str], None] = print,
) -> PriorTuning:
    """Search for priors that fit the training objects of a config.

    Args:
        cfg: Complete config.
        seed: Seed of augmentation and search.
        augmented: Number of augmented training samples whose objects weigh as much as those that are annotated.
        priors_per_cell: Number of priors of a cell, ``None`` for the config's.
        log: Receives what the search looks at.

    Raises:
        UserError: The head has no ``SSDPriorGenerator``, or there are too few objects.
    """
    key, options, generator = tuned_config.generator_of(cfg)
    priors, matcher = priors_of(cfg), matcher_of(cfg)
    parts, unseen, split = _objects(cfg, seed, augmented, priors.input_size, matcher.ignored == 'match')
    training = f'{len(parts[0])} objects of the training split'
    if len(parts) > 1:
        training += f', and {len(parts[1])} in {augmented} augmented samples of it'
    log(f'tuned on {training}; judged on {len(unseen)} objects of {split}')
    if len(parts[0]) < FEW_OBJECTS:
        log(f'{len(parts[0])} training objects are few (under {FEW_OBJECTS}): others may differ from them')
    flip = options.get('flip', True)
    own = prior_tuning.own_settings(options, generator)
    if priors_per_cell:
        own = prior_tuning.with_number(own, priors_per_cell, flip)
    boxes, weights = prior_tuning.pooled(parts)
    with tqdm(total=prior_tuning.GENERATIONS, desc='searching priors', disable=None) as bar:
        levels = prior_tuning.propose(own, priors, boxes, weights, matcher.iou_threshold, flip, seed, bar.update)
    changes = tuned_config.changes_of(options, levels)
    tuned = priors_of(tuned_config.with_changes(cfg, key, changes))
    return PriorTuning(
        key=key,
        changes=changes,
        kept=[level == old for level, old in zip(levels, own)],
        priors=priors,
        tuned=tuned,
        before=fit_of(priors, matcher, unseen),
        after=fit_of(tuned, matcher, unseen),
        unseen=unseen,
        boxes=boxes,
        training=training,
        split=split,
    )


def _objects(
    cfg: Config, seed: int, augmented: int, input_size: tuple[int, int], with_ignored: bool
) -> tuple[list[Objects], Objects, str]:
    """Return the objects to tune on, as annotated and as augmented, those to judge on, and the split of these."""
    splits = prior_objects.splits_of(cfg, seed)
    training = [prior_objects.annotated_objects(splits.training_leaves, input_size, with_ignored)]
    unseen = prior_objects.annotated_objects(splits.unseen, input_size, with_ignored)
    for objects, least, name in ((training[0], 2, 'the training split'), (unseen, 1, splits.name)):
        if len(objects) < least:
            raise UserError(f'{name} of {cfg.filename} has {len(objects)} usable object(s), too few to tune priors')
    if augmented:
        training.append(prior_objects.augmented_objects(splits.training, augmented, seed, with_ignored))
    return [objects for objects in training if len(objects)], unseen, splits.name
