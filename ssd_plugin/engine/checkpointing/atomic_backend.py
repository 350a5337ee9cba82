"""A file backend of MMEngine that never leaves an incomplete file."""

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from ssd_plugin.files import write_atomically


@register_backend('atomic', force=True)
class AtomicBackend(LocalBackend):
    """Local files, written by :func:`ssd_plugin.files.write_atomically`.

    With ``CheckpointHook(backend_args=dict(backend='atomic'))``, every checkpoint that exists is complete.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write a file, and make its folder if it does not exist.

        Raises:
            OSError: The file cannot be written; nothing is left behind.
        """
        Path(filepath).parent.mkdir(parents=True, exist_ok=True)
        write_atomically(filepath, lambda file: file.write(obj))

    def put_text(self, obj: str, filepath: str | Path, encoding: str = 'utf-8') -> None:
        """Write a text file in the manner of :meth:`put`."""
        self.put(obj.encode(encoding), filepath)
