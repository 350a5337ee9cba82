"""MMEngine's local file backend, with files that are written whole or not at all."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ssd_plugin.files import write_atomically


@register_backend('atomic', force=True)
class AtomicBackend(LocalBackend):
    """Local files written by :func:`ssd_plugin.files.write_atomically`.

    ``CheckpointHook(backend_args=dict(backend='atomic'))`` saves checkpoints that are complete whenever they exist.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file, and its folder if it does not exist.

        Raises:
            OSError: It cannot be written; nothing is left behind.
        """
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(filepath, lambda file: file.write(obj))

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write a text file, as :meth:`put`."""
        self.put(obj.encode(encoding), filepath)
