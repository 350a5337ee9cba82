"""Putting a batch together."""
from mmengine.dataset import pseudo_collate
from mmengine.registry import FUNCTIONS
from torch.utils.data import default_collate


@FUNCTIONS.register_module()
def stack_collate(batch: list[dict]) -> dict:
    """MMEngine's ``pseudo_collate``, with images of one size as one tensor ``(B, C, H, W)``: one block of shared memory between worker
    and trainer, one pinned block, one copy to the device, and one pass of the data preprocessor, where there would be as many as images.
    """
    collated = pseudo_collate(batch)
    if len({image.shape for image in collated['inputs']}) == 1:
        collated['inputs'] = default_collate(collated['inputs'])
    return collated
