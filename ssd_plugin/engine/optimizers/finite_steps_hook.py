"""Keep values that are not finite out of the weights."""

from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from mmdet.registry import HOOKS
from mmengine.dist import all_gather_object, is_main_process
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import AmpOptimWrapper, OptimWrapper
from mmengine.runner import Runner
from torch import Tensor

from ssd_plugin.compat import accumulation_steps
from ssd_plugin.errors import UserError
from ssd_plugin.option_ranges import check_counts, check_fractions

from .nonfinite_batch import NonfiniteBatch, path_of, remove_oldest
from .pooled_optim_wrapper import PooledOptimWrapper


@HOOKS.register_module()
class FiniteStepsHook(Hook):
    """Skip optimizer steps whose gradients are not finite, log their images, and abort after too many.

    Gradients are checked after they were averaged over ranks, so that all ranks skip the same steps. The running
    statistics of batch norm, which the forward pass has changed, are restored. In float16, MMEngine's gradient scaler
    skips steps by itself while it searches for its scale; those count only if the loss is not finite either.

    The first batch of each series of skipped steps is kept in ``nonfinite_iter_N.pth`` of the work directory, with the
    weights and the losses, for ``tools/replay_batch.py``.

    Args:
        max_in_a_row: Number of consecutive skipped steps at which training is aborted.
        max_share: Fraction of the last ``window`` steps that may be skipped; training is aborted when it is reached.
        window: Number of steps that ``max_share`` refers to.
        max_kept: Number of batches kept; the oldest are deleted.
    """

    # Before EMAHook and others read the weights.
    priority = 'VERY_HIGH'

    def __init__(self, max_in_a_row: int = 20, max_share: float = 0.2, window: int = 1000, max_kept: int = 3) -> None:
        check_counts(max_in_a_row=max_in_a_row, window=window)
        check_counts(0, max_kept=max_kept)
        check_fractions(max_share=max_share)
        self.max_in_a_row = max_in_a_row
        self.max_share = max_share
        self.max_kept = max_kept
        self.recent: deque[bool] = deque(maxlen=window)
        self.window = window
        self.in_a_row = 0
        self.total = 0
        # Images that feed the next step.
        self._images: list[str] = []
        self._last_images: list[str] = []
        self._kept: Path | None = None
        self._skipped = False

    def before_train(self, runner: Runner) -> None:
        """Guard the steps of the optimizer wrapper."""
        wrapper: OptimWrapper = runner.optim_wrapper
        self._wrapper = wrapper
        self._step: Callable[..., None] = wrapper.step
        wrapper.step = self._guarded_step
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self._buffers = [buffer for buffer in model.buffers() if buffer.is_floating_point()]
        self._finite_buffers = [buffer.clone() for buffer in self._buffers]
        self._parameters = [parameter for group in wrapper.optimizer.param_groups for parameter in group['params']]

    def _guarded_step(self, **kwargs: Any) -> None:
        """Take a step of the optimizer wrapper, or skip it; in float16, the gradient scaler decides."""
        gradients = [parameter.grad for parameter in self._parameters if parameter.grad is not None]
        self._skipped = not isinstance(self._wrapper, AmpOptimWrapper) and not bool(all_finite(gradients))
        if not self._skipped:
            self._step(**kwargs)
        elif isinstance(self._wrapper, PooledOptimWrapper):
            self._wrapper.forget()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Record the images that feed the next step."""
        if batch_idx % accumulation_steps(self._wrapper) == 0:
            self._images = []
        self._images += [_image_name(sample) for sample in data_batch['data_samples']]

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count and report a skipped step, and abort after too many.

        Raises:
            UserError: Too many steps were skipped.
        """
        if (batch_idx + 1) % accumulation_steps(self._wrapper) and batch_idx + 1 < runner.max_iters:
            return
        # Only float16 has to check the loss, whose value MMEngine has read for its log by now.
        skipped = self._skipped or (
            isinstance(self._wrapper, AmpOptimWrapper) and not bool(torch.as_tensor(outputs['loss']).isfinite())
        )
        self._skipped = False
        self.recent.append(skipped)
        if not skipped:
            self.in_a_row = 0
            torch._foreach_copy_(self._finite_buffers, self._buffers)
            return
        torch._foreach_copy_(self._buffers, self._finite_buffers)
        self.in_a_row += 1
        self.total += 1
        self._last_images = [name for names in all_gather_object(self._images) for name in names]
        losses = {
            name: value.item() if isinstance(value, Tensor) else value
            for name, value in outputs.items()
            if 'loss' in name
        }
        if self.in_a_row == 1:
            self._keep(runner, data_batch, losses)
        runner.logger.warning(
            f'gradients are not finite at iteration {runner.iter + 1} (losses {losses}): the step is skipped '
            f'({self.total} so far). Its images: {", ".join(self._last_images)}'
        )
        if self.in_a_row >= self.max_in_a_row or sum(self.recent) >= self.max_share * self.window:
            raise self._too_many(runner.iter + 1)

    def accept_statistics(self) -> None:
        """Take the running statistics as those of the last good step, after other weights were loaded in training."""
        torch._foreach_copy_(self._finite_buffers, self._buffers)

    def after_train(self, runner: Runner) -> None:
        """Check the fraction of skipped steps of a run that is shorter than the window.

        Raises:
            UserError: Too many steps were skipped.
        """
        if sum(self.recent) >= self.max_share * max(len(self.recent), 1):
            raise self._too_many(runner.iter)

    def _too_many(self, iteration: int) -> UserError:
        return UserError(
            f'training is aborted at iteration {iteration}: {self.in_a_row} steps in a row, {self.total} in total, had '
            'gradients that are not finite and were skipped. The weights are finite. The last batch had the images '
            f'{", ".join(self._last_images)}. Check that the learning rate is not too high and starts with a warm-up; '
            'tools/check_dataset.py finds broken boxes and images; tools/replay_batch.py shows where values stop being '
            f'finite in the kept batch {self._kept}'
        )

    def _keep(self, runner: Runner, data_batch: dict[str, Any], losses: dict[str, float]) -> None:
        """Write the batch of the main process for replay; training goes on if that fails."""
        self._kept = path_of(runner.work_dir, runner.iter + 1)
        if not is_main_process():
            return
        remove_oldest(runner.work_dir, self.max_kept - 1)
        try:
            NonfiniteBatch.of_run(runner, data_batch, losses).write(self._kept)
        except OSError as error:
            runner.logger.error(f'the batch could not be kept for replay: {error.strerror or error}')


def all_finite(tensors: Sequence[Tensor]) -> Tensor:
    """Return whether all values of some tensors are finite, as a scalar on their device.

    The maximum norm of each tensor is computed, which is not finite if any value is not; a sum of squares could
    overflow where its terms do not.
    """
    if not tensors:
        return torch.tensor(True)
    return torch.stack(list(torch._foreach_norm(list(tensors), float('inf')))).isfinite().all()


def _image_name(sample: Any) -> str:
    return str(sample.metainfo.get('img_path', sample.metainfo.get('img_id', '?')))
