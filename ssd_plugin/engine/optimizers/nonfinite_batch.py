"""File with a batch whose gradients were not finite, for replay."""

import pickle
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from mmdet.structures.bbox import get_box_tensor
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from ssd_plugin.files import write_atomically


@dataclass(frozen=True)
class NonfiniteBatch:
    """A batch as the model received it, and the state of the run.

    Attributes:
        config: Config of the run, as text.
        iteration: Number of the iteration, from 1.
        losses: Values of the losses by name.
        inputs: Images ``(3, H, W)`` before the data preprocessor, in a list or stacked.
        samples: ``metainfo``, ``bboxes`` ``(N, 4)`` xyxy and ``labels`` ``(N,)`` of each image.
        state_dict: Weights of the model.
    """

    config: str
    iteration: int
    losses: dict[str, float]
    inputs: Tensor | list[Tensor]
    samples: list[dict[str, Any]]
    state_dict: dict[str, Tensor]

    @classmethod
    def of_run(cls, runner: Runner, data_batch: dict[str, Any], losses: dict[str, float]) -> 'NonfiniteBatch':
        """Copy the batch of the current iteration and the weights of the model to the CPU."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        samples = [
            dict(
                # Only the types that PyTorch's safe reader accepts.
                metainfo={
                    key: value for key, value in sample.metainfo.items() if isinstance(value, (str, int, float, tuple))
                },
                bboxes=torch.as_tensor(get_box_tensor(sample.gt_instances.bboxes)).cpu(),
                labels=sample.gt_instances.labels.cpu(),
            )
            for sample in data_batch['data_samples']
        ]
        inputs = data_batch['inputs']
        return cls(
            config=runner.cfg.pretty_text,
            iteration=runner.iter + 1,
            losses=losses,
            inputs=inputs.cpu() if isinstance(inputs, Tensor) else [image.cpu() for image in inputs],
            samples=samples,
            state_dict={name: value.cpu() for name, value in model.state_dict().items()},
        )

    def write(self, path: Path) -> None:
        """Write the file.

        Raises:
            OSError: It cannot be written; nothing is left behind.
        """
        write_atomically(path, lambda file: torch.save(dict(vars(self)), file))

    @classmethod
    def read(cls, path: str | Path) -> 'NonfiniteBatch':
        """Read a file that :meth:`write` has written.

        Raises:
            OSError: It cannot be opened.
            ValueError: It does not hold a kept batch.
        """
        try:
            content = torch.load(path, map_location='cpu', weights_only=True)
            return cls(**{field.name: content[field.name] for field in fields(cls)})
        except (KeyError, TypeError, IndexError, RuntimeError, EOFError, pickle.UnpicklingError) as error:
            raise ValueError(f'not a kept batch: {error}') from error


def path_of(folder: str | Path, iteration: int) -> Path:
    """Return the path of the file for the batch of an iteration in a work directory."""
    return Path(folder, f'nonfinite_iter_{iteration}.pth')


def remove_oldest(folder: str | Path, remaining: int) -> None:
    """Delete the kept batches of the earliest iterations in a work directory until ``remaining`` are left."""
    paths = sorted(Path(folder).glob('nonfinite_iter_*.pth'), key=lambda path: int(path.stem.rsplit('_', 1)[1]))
    for path in paths[: max(len(paths) - remaining, 0)]:
        path.unlink(missing_ok=True)
