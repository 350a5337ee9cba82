"""The training loop that can be interrupted anywhere and goes on as if it had not been."""

import copy
import logging

from mmdet.registry import DATASETS, LOOPS
from mmengine.dist import get_rank, get_world_size
from mmengine.logging import print_log
from mmengine.runner import IterBasedTrainLoop
from mmengine.runner.loops import _InfiniteDataloaderIterator
from torch.utils.data import DataLoader

from ssd_plugin.datasets.samplers import SeededDataset, StreamSampler, mixed_seed, seed_all


@LOOPS.register_module()
class StreamTrainLoop(IterBasedTrainLoop):
    """MMEngine's ``IterBasedTrainLoop`` in which a resumed run is, bit for bit on a CPU, the run that was not interrupted.

    The data are a stream (:class:`StreamSampler`), which a resumed run enters where it was left, without loading what came before; with
    another number of workers, too. Every iteration begins with random seeds of its own, so there is no random state to be saved. A
    validation that was due and did not come to its end is made up for, since a schedule may wait for it.

    With another number of ranks or another batch size the place in the data is kept, but not the batches; the log says so.

    Args:
        runner: MMEngine's runner.
        dataloader: config of the loader, with a ``StreamSampler``.
        kwargs: as of ``IterBasedTrainLoop``: ``max_iters``, ``val_begin``, ``val_interval``, ``dynamic_intervals``.

    Raises:
        TypeError: the loader has another sampler.
    """

    def __init__(self, runner, dataloader: DataLoader | dict, **kwargs):
        if isinstance(dataloader, dict):
            dataset = DATASETS.build(copy.deepcopy(dataloader['dataset']))
            if hasattr(dataset, 'full_init'):
                dataset.full_init()
            dataloader = dict(dataloader, dataset=SeededDataset(dataset))
        super().__init__(runner, dataloader, **kwargs)
        self.sampler = self.dataloader.sampler
        if not isinstance(self.sampler, StreamSampler):
            raise TypeError(
                "StreamTrainLoop wants train_dataloader.sampler=dict(type='StreamSampler'), got "
                f'{type(self.sampler).__name__}; IterBasedTrainLoop takes any'
            )

    def run(self):
        """Train, from where the runner was resumed."""
        hub = self.runner.message_hub
        self._seed = self.runner.seed - (get_rank() if self.runner._randomness_cfg.get('diff_rank_seed') else 0)
        self._check_stream(hub)
        self.runner.call_hook('before_train')
        self.runner.call_hook('before_train_epoch')
        if self._iter > 0 or self.sampler.seed != self._seed:
            self.restart_data(self._iter)
        if self._iter > 0 and self._validation_is_due() and hub.get_info('last_validation', 0) != self._iter:
            self._validate()
        while self._iter < self._max_iters and not self.stop_training:
            self.runner.model.train()
            batch = next(self.dataloader_iterator)
            seed_all(mixed_seed(self._seed, 2, get_rank(), self._iter))
            # What a checkpoint of this iteration is to know.
            hub.update_info('stream', self._stream(self._iter + 1))
            self.run_iter(batch)
            self._decide_current_val_interval()
            if self._validation_is_due() and not self.stop_training:
                self._validate()
        self.runner.call_hook('after_train_epoch')
        self.runner.call_hook('after_train')
        return self.runner.model

    def restart_data(self, iteration: int) -> None:
        """Throw away what the workers have prepared, and go on with the data of an iteration."""
        self.sampler.seed = self._seed
        self.sampler.position = self._stream(iteration)['position']
        self.dataloader_iterator = _InfiniteDataloaderIterator(self.dataloader)

    def _stream(self, iteration: int) -> dict:
        """The place in the data before an iteration, and what it was counted in."""
        batch, ranks = self.dataloader.batch_size, get_world_size()
        first, position = self._origin
        return dict(position=position + (iteration - first) * batch * ranks, batch_size=batch, ranks=ranks)

    def _check_stream(self, hub) -> None:
        """Where this run enters the stream."""
        self._origin = (0, 0)
        if self._iter == 0:
            return
        stream = hub.get_info('stream')
        if stream is None:
            print_log(
                'The checkpoint does not say where in the data it was; going on as if it had been trained with this batch size and '
                'number of ranks',
                'current',
                logging.WARNING,
            )
            return
        self._origin = (self._iter, stream['position'])
        now = self._stream(self._iter)
        changed = [
            f'{name} {stream[name]} before, {now[name]} now'
            for name in ('batch_size', 'ranks')
            if stream[name] != now[name]
        ]
        if changed:
            print_log(
                f'This run is not exactly the one that was interrupted: {"; ".join(changed)}. It goes on at the same place in the '
                'data, with other batches',
                'current',
                logging.WARNING,
            )

    def _validation_is_due(self) -> bool:
        return (
            self.runner.val_loop is not None
            and self._iter >= self.val_begin
            and (self._iter % self.val_interval == 0 or self._iter == self._max_iters)
        )

    def _validate(self) -> None:
        # Before: a checkpoint that is saved for its result has it behind it.
        self.runner.message_hub.update_info('last_validation', self._iter)
        self.runner.val_loop.run()
