"""A training loop whose resumed runs are exact continuations."""

import copy
import logging
from collections.abc import Sequence
from typing import TypedDict

from mmdet.registry import DATASETS, LOOPS
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from ssd_plugin.compat import endless_batches, shared_seed, update_val_interval
from ssd_plugin.configs import leaf_datasets
from ssd_plugin.datasets.samplers import SeededDataset, StreamSampler, mixed_seed, seed_all
from ssd_plugin.errors import UserError


class StreamState(TypedDict):
    """Position in the stream of training data, as saved in checkpoints.

    Attributes:
        position: Number of draws before the next iteration, over all ranks.
        batch_size: Images of an iteration and rank.
        ranks: Number of ranks.
    """

    position: int
    batch_size: int
    ranks: int


@LOOPS.register_module()
class StreamTrainLoop(IterBasedTrainLoop):
    """MMEngine's ``IterBasedTrainLoop``, in which a resumed run equals an uninterrupted one, bit for bit on a CPU.

    The training data is a stream (:class:`StreamSampler`), which a resumed run enters where the previous run left it,
    without loading the earlier part, also with another number of workers. Every iteration starts with its own random
    seeds, so no random state has to be saved. A validation that was due but did not finish is repeated after resuming,
    since a schedule may depend on its result.

    With another number of ranks or another batch size, the run continues at the same position of the stream but with
    other batches, and a warning is logged.

    The length of the training is given in iterations or, so that it does not depend on the batch size, in epochs. An
    epoch has ``len(dataloader)`` iterations, in which each image is drawn once on average: the rounds of the stream do
    not start anew with an epoch. Schedules in epochs need ``convert_to_iter_based=True``.

    Args:
        runner: MMEngine's runner.
        dataloader: Config of the dataloader, with a ``StreamSampler``.
        max_iters: Number of iterations.
        max_epochs: Number of epochs; with ``max_iters``, training ends at whichever is reached first.
        val_begin: First iteration that is validated, or first epoch with ``max_epochs``.
        val_interval: Iterations between validations, or epochs with ``max_epochs``; the last iteration is always
            validated.
        dynamic_intervals: Pairs of a milestone and the interval from it on, in the same unit.

    Raises:
        TypeError: The dataloader has another sampler.
        UserError: There is neither ``max_iters`` nor ``max_epochs``, or a training counted in epochs resumes with
            another batch size or number of ranks.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: DataLoader | dict,
        max_iters: int | None = None,
        max_epochs: int | None = None,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: Sequence[tuple[int, int]] | None = None,
    ) -> None:
        if isinstance(dataloader, dict):
            sampler, config = dataloader.get('sampler'), copy.deepcopy(dataloader['dataset'])
            if isinstance(sampler, dict) and sampler.get('empty_fraction'):
                _keep_empty(config)
            dataset = DATASETS.build(config)
            # As in Runner.build_dataloader: MMEngine's datasets may be initialized lazily, those of PyTorch are not.
            if hasattr(dataset, 'full_init'):
                dataset.full_init()
            dataloader = dict(dataloader, dataset=SeededDataset(dataset))
            if isinstance(sampler, dict) and sampler.get('type') in ('StreamSampler', StreamSampler):
                dataloader['sampler'] = dict(sampler, endless=True)
        elif isinstance(dataloader.sampler, StreamSampler):
            dataloader.sampler.endless = True
        limits = [limit for limit in (max_iters, max_epochs) if limit is not None]
        if not limits:
            raise UserError('train_cfg needs max_iters or max_epochs')
        super().__init__(runner, dataloader, limits[0], val_begin, val_interval, dynamic_intervals)
        if max_epochs is not None:
            self._count_in_epochs(max_epochs, max_iters)
        self.sampler = self.dataloader.sampler
        if not isinstance(self.sampler, StreamSampler):
            raise TypeError(
                "StreamTrainLoop needs train_dataloader.sampler=dict(type='StreamSampler'), got "
                f'{type(self.sampler).__name__}; IterBasedTrainLoop accepts any sampler'
            )
        self._seed = 0
        self._in_epochs = max_epochs is not None
        # Iteration at which this run has entered the stream, and its position there.
        self._entry = (0, 0)

    def _count_in_epochs(self, max_epochs: int, max_iters: int | None) -> None:
        """Convert the options given in epochs to iterations."""
        length = len(self.dataloader)
        iterations = max_epochs * length
        self._max_iters = iterations if max_iters is None else min(iterations, max_iters)
        # The end of schedules that state none.
        self._max_epochs = max_epochs
        # From the first iteration of that epoch on: a training that ends in it is validated, too.
        self.val_begin = (self.val_begin - 1) * length + 1
        self.val_interval *= length
        self.dynamic_milestones = [milestone * length for milestone in self.dynamic_milestones]
        self.dynamic_intervals = [interval * length for interval in self.dynamic_intervals]

    def run(self) -> nn.Module:
        """Train to the end, from the iteration at which the runner was resumed, and return the model."""
        runner, hub = self.runner, self.runner.message_hub
        self._seed = shared_seed(runner)
        self._enter_stream(hub.get_info('stream'))
        runner.call_hook('before_train')
        runner.call_hook('before_train_epoch')
        if self.iter > 0 or self.sampler.seed != self._seed:
            self.restart_data(self.iter)
        if self.iter > 0 and self._validation_is_due() and hub.get_info('last_validation', 0) != self.iter:
            self._validate()
        while self.iter < self.max_iters and not self.stop_training:
            runner.model.train()
            batch = next(self.dataloader_iterator)
            seed_all(mixed_seed(self._seed, 2, get_rank(), self.iter))
            # Before the iteration, whose hooks save the checkpoint: a resumed run continues after it.
            hub.update_info('stream', self._stream_state(self.iter + 1))
            self.run_iter(batch)
            update_val_interval(self)
            if self._validation_is_due() and not self.stop_training:
                self._validate()
        runner.call_hook('after_train_epoch')
        runner.call_hook('after_train')
        return runner.model

    def restart_data(self, iteration: int) -> None:
        """Discard the batches that workers have prepared, and continue with the data of an iteration."""
        self.sampler.seed = self._seed
        self.sampler.position = self._stream_state(iteration)['position']
        self.dataloader_iterator = endless_batches(self.dataloader)

    def _stream_state(self, iteration: int) -> StreamState:
        """Return the position in the stream before an iteration of this run."""
        batch_size, ranks = self.dataloader.batch_size, get_world_size()
        first, position = self._entry
        return StreamState(
            position=position + (iteration - first) * batch_size * ranks, batch_size=batch_size, ranks=ranks
        )

    def _enter_stream(self, saved: StreamState | None) -> None:
        """Enter the stream at the position of the checkpoint, and warn if this run is not its exact continuation."""
        self._entry = (0, 0)
        if self.iter == 0:
            return
        if saved is None:
            print_log(
                'The checkpoint does not contain its position in the training data. Training continues as if it had '
                'used this batch size and number of ranks',
                'current',
                logging.WARNING,
            )
            return
        self._entry = (self.iter, saved['position'])
        now = self._stream_state(self.iter)
        changed = [
            f'{name} {before} before, {after} now'
            for name, before, after in (
                ('batch_size', saved['batch_size'], now['batch_size']),
                ('ranks', saved['ranks'], now['ranks']),
            )
            if before != after
        ]
        if changed and self._in_epochs:
            # The iterations done so far, and the milestones in the checkpoint, were those of other epochs.
            raise UserError(
                f'a training counted in epochs (train_cfg.max_epochs) cannot resume with {"; ".join(changed)}; give '
                'the batch size and number of ranks of before, or start a new run with load_from'
            )
        if changed:
            print_log(
                f'This run is not exactly the one that was interrupted: {"; ".join(changed)}. It continues at the same '
                'position in the training data, with other batches',
                'current',
                logging.WARNING,
            )

    def _validation_is_due(self) -> bool:
        return (
            self.runner.val_loop is not None
            and self.iter >= self.val_begin
            and (self.iter % self.val_interval == 0 or self.iter == self.max_iters)
        )

    def _validate(self) -> None:
        # Mark the validation as done before its best checkpoint is saved.
        self.runner.message_hub.update_info('last_validation', self.iter)
        self.runner.val_loop.run()


def _keep_empty(dataset: dict) -> None:
    """Let a config of a dataset keep images without objects, of which the sampler draws a fraction."""
    for _, leaf in leaf_datasets(dataset):
        if (leaf.get('filter_cfg') or {}).get('filter_empty_gt'):
            leaf['filter_cfg'] = dict(leaf['filter_cfg'], filter_empty_gt=False)
