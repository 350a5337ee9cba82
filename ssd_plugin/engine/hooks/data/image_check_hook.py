"""A test of the images that validation will read, before the first iteration."""

from collections.abc import Iterator

from mmdet.registry import HOOKS
from mmengine.dist import all_gather_object, get_rank, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.data import Dataset

from ssd_plugin.datasets.image_completeness import defects
from ssd_plugin.files import is_local

# Images that are named in the log.
MAX_NAMED = 10


@HOOKS.register_module()
class ImageCheckHook(Hook):
    """Name images of the validation that are missing, empty or cut off, before training begins.

    Without it, they are named by the first validation, which evaluates a gray image in place of each one
    (:class:`SkippedImagesHook`). Only the header and the end of a file are looked at; files that are not local are
    not. Images for training are not tested, because ``LoadEncodedImage`` names and replaces them.
    """

    def before_train(self, runner: Runner) -> None:
        """Test the images, each rank its share, and log a warning that names those with a defect."""
        if runner.val_loop is None:
            return
        paths = [path for path in image_paths(runner.val_dataloader.dataset) if is_local(path)]
        shares = all_gather_object(defects(paths[get_rank() :: get_world_size()]))
        found = dict(sorted(item for share in shares for item in share.items()))
        if not found:
            return
        named = '; '.join(f'{path}: {defect}' for path, defect in list(found.items())[:MAX_NAMED])
        runner.logger.warning(
            f'{len(found)} of the {len(paths)} images for validation cannot be read, and will be evaluated as gray '
            f'images, so that their objects count as missed; restore them, or remove them from the list: {named}'
            + ('; ...' if len(found) > MAX_NAMED else '')
        )


def image_paths(dataset: Dataset) -> Iterator[str]:
    """Yield the image files of a dataset, of wrappers of datasets, too; none of a dataset of another kind."""
    if not hasattr(dataset, 'get_data_info'):
        return
    for index in range(len(dataset)):  # type: ignore[arg-type]
        path = dataset.get_data_info(index).get('img_path')
        if isinstance(path, str):
            yield path
