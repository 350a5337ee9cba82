"""Meaning of the class outputs of a prior: the class of each, the background, and the activation."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor


@dataclass(frozen=True)
class OutputLayout:
    """Layout of the K class outputs of a prior.

    Labels are 0..C-1 for objects and C for background, whichever output is that of the background.

    Args:
        num_classes: C, the classes without the background.
        background: Whether the background is the ``'first'`` or the ``'last'`` output; ``None`` for one sigmoid output
            per class and no output for the background.
        unused: Indices of outputs, including the background, that belong to no class of the data. They take part in the
            softmax and are never detected.

    Raises:
        ValueError: The arguments contradict each other.
    """

    num_classes: int
    background: Literal['first', 'last'] | None = 'last'
    unused: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.num_classes < 1:
            raise ValueError(f'num_classes must be 1 or more, without the background, got {self.num_classes}')
        if self.background not in ('first', 'last', None):
            raise ValueError(f"background must be 'first' or 'last', got {self.background!r}")
        if self.background is None:
            if self.unused:
                raise ValueError(
                    f'unused_outputs={self.unused} share a softmax with the classes; sigmoid outputs are independent '
                    'and have none'
                )
            return
        valid = all(0 <= index < self.num_outputs and index != self.background_output for index in self.unused)
        if len(set(self.unused)) != len(self.unused) or not valid:
            raise ValueError(
                f'unused_outputs must be different outputs of 0..{self.num_outputs - 1} and not the background '
                f'({self.background_output}), got {self.unused}; with classes of your own, set unused_outputs=()'
            )

    @classmethod
    def of_head(
        cls,
        num_classes: int,
        use_sigmoid: bool = False,
        background: Literal['first', 'last'] | None = None,
        unused_outputs: Sequence[int] = (),
    ) -> 'OutputLayout':
        """Return the layout that the arguments of :class:`~ssd_plugin.models.heads.MultiBoxHead` describe.

        Args:
            num_classes: C, the classes without the background.
            use_sigmoid: Whether the outputs are one sigmoid output per class.
            background: ``'first'`` or ``'last'``; ``None`` for ``'last'``, or for no background with ``use_sigmoid``.
            unused_outputs: Indices of outputs that belong to no class of the data. If one is beyond the last output,
                they are those of other classes, from which a config has been inherited, and none of them is kept.

        Raises:
            ValueError: The arguments contradict each other.
        """
        if use_sigmoid and background is not None:
            raise ValueError(f'use_sigmoid=True has no output for the background; remove background={background!r}')
        layout = cls(num_classes, None if use_sigmoid else background or 'last')
        inherited = layout.background is not None and max(unused_outputs, default=0) >= layout.num_outputs + len(
            unused_outputs
        )
        return layout if inherited else replace(layout, unused=tuple(unused_outputs))

    @property
    def activation(self) -> Literal['sigmoid', 'softmax']:
        """Activation that turns scores into confidences."""
        return 'sigmoid' if self.background is None else 'softmax'

    @property
    def num_outputs(self) -> int:
        """K, the number of class outputs of a prior."""
        return self.num_classes + (self.background is not None) + len(self.unused)

    @property
    def background_output(self) -> int:
        """Index of the background among the outputs.

        Raises:
            ValueError: Sigmoid outputs have no background.
        """
        if self.background is None:
            raise ValueError('sigmoid outputs have no background')
        return 0 if self.background == 'first' else self.num_outputs - 1

    @property
    def foreground_outputs(self) -> slice:
        """All outputs except the background, as one slice."""
        return slice(1 if self.background == 'first' else 0, self.num_outputs - (self.background == 'last'))

    @property
    def class_outputs(self) -> list[int]:
        """Index of the output of each class, in the order of the labels."""
        foreground = range(self.num_outputs)[self.foreground_outputs]
        return [output for output in foreground if output not in self.unused]

    def outputs_of(self, labels: Tensor) -> Tensor:
        """Return the index of the output of each label (0..C-1, C for background), int64 of the same shape."""
        if self.background is None or (self.background == 'last' and not self.unused):
            return labels
        # By arithmetic rather than a table, which would have to be copied to the device.
        outputs = labels + (self.background == 'first')
        for unused in sorted(self.unused):
            outputs = outputs + (outputs >= unused)
        return torch.where(labels == self.num_classes, self.background_output, outputs)

    def confidences(self, logits: Tensor) -> Tensor:
        """Return the confidence of each class.

        Args:
            logits: ``(..., K)`` scores before the softmax or sigmoid.

        Returns:
            ``(..., C)`` in the order of the labels.
        """
        return self._of_classes(logits.sigmoid() if self.background is None else logits.softmax(dim=-1))

    def best_classes(self, logits: Tensor) -> Tensor:
        """Return which class, if any, is the highest output of its prior.

        Ties go to the background, then to the lower output. Without an output for the background, as with sigmoids,
        there is always a highest class.

        Args:
            logits: ``(..., K)`` scores before the softmax or sigmoid.

        Returns:
            ``(..., C)`` bool in the order of the labels: one true value per prior, or none where the background or an
            unused output is the highest.
        """
        highest, index = logits[..., self.foreground_outputs].max(dim=-1, keepdim=True)
        wins = torch.ones_like(index, dtype=torch.bool)
        if self.background is not None:
            background = self.background_output
            wins = highest > logits[..., background : background + 1]
        first = int(self.background == 'first')
        return self._of_classes(torch.zeros_like(logits, dtype=torch.bool).scatter(-1, index + first, wins))

    def _of_classes(self, values: Tensor) -> Tensor:
        """Return the values ``(..., C)`` of the classes among those of all outputs, ``(..., K)``."""
        classes: Sequence[int] | slice = self.class_outputs
        if not self.unused:
            classes = self.foreground_outputs  # a view instead of a copy
        return values[..., classes]
