"""Keeps numbers that are not finite out of the weights."""

from collections import deque
from pathlib import Path

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import Tensor

from ssd_plugin.errors import UserError
from ssd_plugin.files import write_atomically


@HOOKS.register_module()
class FiniteStepsHook(Hook):
    """Leave out a step whose gradients are not finite, say which images fed it, and end training when there are too many.

    Gradients are looked at after they were averaged over ranks, so that all ranks leave out the same steps. What the forward pass changed
    meanwhile, the running statistics of batch norm, is put back. In float16 MMEngine's scaler leaves out steps by itself, to find its
    scale; those are counted only if the loss is not finite either.

    The first batch of each series is kept in ``nonfinite_iter_N.pth`` of the work dir, with weights and losses, for
    ``tools/replay_batch.py``; of many series, those of the last.

    Args:
        max_in_a_row: steps left out one after the other at which training ends.
        max_share: share of the last ``window`` steps at which training ends.
        window: see ``max_share``.
        max_kept: batches kept.
    """

    # Before EMAHook and others look at the weights.
    priority = 'VERY_HIGH'

    def __init__(self, max_in_a_row: int = 20, max_share: float = 0.2, window: int = 1000, max_kept: int = 3):
        self.max_in_a_row = max_in_a_row
        self.max_share = max_share
        self.max_kept = max_kept
        self.recent = deque(maxlen=window)
        self.in_a_row = 0
        self.total = 0
        self._images = []

    def before_train(self, runner: Runner) -> None:
        """From now on every step of the optimizer is looked at first."""
        wrapper = runner.optim_wrapper
        self._step, wrapper.step = wrapper.step, self._guarded
        self._wrapper, self._bad = wrapper, None
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        self._good = [buffer.clone() for buffer in self._buffers]
        self._parameters = [p for group in wrapper.optimizer.param_groups for p in group['params']]

    def _guarded(self, **kwargs) -> None:
        """In place of the optimizer wrapper's ``step``."""
        self._bad = None
        if hasattr(self._wrapper, 'loss_scaler'):
            self._step(**kwargs)
        elif bool(all_finite([p.grad for p in self._parameters if p.grad is not None])):
            self._step(**kwargs)
        else:
            self._bad = True
            getattr(self._wrapper, 'forget', lambda: None)()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch=None) -> None:
        """Note what feeds the next step."""
        if batch_idx % self._wrapper._accumulative_counts == 0:
            self._images = []
        self._images += [_name(sample) for sample in data_batch['data_samples']]

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch=None, outputs=None) -> None:
        """Count, report, and end what has no future.

        Raises:
            UserError: too many steps were left out.
        """
        if (batch_idx + 1) % self._wrapper._accumulative_counts and batch_idx + 1 < runner.max_iters:
            return
        if self._bad is None:
            # Only float16 needs to look at the loss, whose value MMEngine has read for its log by now.
            bad = hasattr(self._wrapper, 'loss_scaler') and not bool(torch.as_tensor(outputs['loss']).isfinite())
        else:
            bad = True
        self._bad = None
        self.recent.append(bad)
        if not bad:
            self.in_a_row = 0
            torch._foreach_copy_(self._good, self._buffers)
            return
        torch._foreach_copy_(self._buffers, self._good)
        self.in_a_row += 1
        self.total += 1
        images = sum(all_gather_object(self._images), [])
        losses = {
            name: value.item() if isinstance(value, Tensor) else value
            for name, value in outputs.items()
            if 'loss' in name
        }
        path = Path(runner.work_dir, f'nonfinite_iter_{runner.iter + 1}.pth')
        if self.in_a_row == 1:
            self._first = path
            if is_main_process():
                self._dump(runner, path, data_batch, losses)
        text = (
            f'gradients are not finite at iteration {runner.iter + 1} (losses {losses}): the step is left out, the {self.total}. so '
            f'far. Its images: {", ".join(images)}'
        )
        runner.logger.warning(text)
        self._last = f'The last batch had the images {", ".join(images)}'
        if self.in_a_row >= self.max_in_a_row or sum(self.recent) >= self.max_share * self.recent.maxlen:
            self._end(runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """A short run can end before it has failed often enough.

        Raises:
            UserError: too large a share of the steps was left out.
        """
        if sum(self.recent) >= self.max_share * max(len(self.recent), 1):
            self._end(runner.iter)

    def _end(self, iteration: int) -> None:
        raise UserError(
            f'training ends at iteration {iteration}: {self.in_a_row} steps in a row, {self.total} in all, had gradients that are not '
            f'finite, and were left out. The weights are finite. {self._last}. Is the learning rate too high, or is there no warm-up? '
            'tools/check_dataset.py finds boxes and images that are broken; tools/replay_batch.py shows where the numbers break in the '
            f'batch that was kept in {self._first}'
        )

    def _dump(self, runner: Runner, path: Path, data_batch: dict, losses: dict) -> None:
        """For replay: the batch as the model got it, the weights, and the config. What cannot be written is said, and not missed."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        samples = [
            dict(
                metainfo={
                    key: value for key, value in sample.metainfo.items() if isinstance(value, (str, int, float, tuple))
                },
                bboxes=torch.as_tensor(getattr(sample.gt_instances.bboxes, 'tensor', sample.gt_instances.bboxes)).cpu(),
                labels=sample.gt_instances.labels.cpu(),
            )
            for sample in data_batch['data_samples']
        ]
        inputs = data_batch['inputs']
        content = dict(
            config=runner.cfg.pretty_text,
            iteration=runner.iter + 1,
            losses=losses,
            inputs=inputs.cpu() if isinstance(inputs, Tensor) else [image.cpu() for image in inputs],
            samples=samples,
            state_dict={name: value.cpu() for name, value in model.state_dict().items()},
        )
        older = sorted(path.parent.glob('nonfinite_iter_*.pth'), key=lambda kept: int(kept.stem.rsplit('_', 1)[1]))
        for kept in older[: max(len(older) + 1 - self.max_kept, 0)]:
            kept.unlink(missing_ok=True)
        try:
            write_atomically(path, lambda file: torch.save(content, file))
        except OSError as error:
            runner.logger.error(f'the batch could not be kept: {error.strerror or error}')


def all_finite(tensors: list[Tensor]) -> Tensor:
    """Whether all values are finite, as a scalar on the device. A sum of squares could overflow where its terms do not."""
    if not tensors:
        return torch.tensor(True)
    # The largest absolute value is not a number where any is not.
    largest = torch._foreach_norm(tensors, float('inf'))
    return torch.stack(list(largest)).isfinite().all()


def _name(sample) -> str:
    return str(sample.metainfo.get('img_path', sample.metainfo.get('img_id', '?')))
