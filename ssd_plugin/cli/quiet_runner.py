"""MMEngine's runner, whose terminal shows the training and whose log file everything."""

import logging
from typing import Any

from mmengine.config import Config
from mmengine.logging import MMLogger
from mmengine.registry import RUNNERS
from mmengine.runner import Runner

from .machine_load import crowded

# Beginnings of the messages, hundreds of lines long, that MMEngine logs before the first iteration.
_LONG = ('paramwise_options', 'Config:', 'Hooks will be executed', f'{"-" * 60}\nSystem environment:')


class QuietRunner(Runner):
    """``Runner`` that logs environment, config and hooks to its file only, unless ``log_level`` is ``'DEBUG'``."""

    def build_logger(self, log_level: int | str = 'INFO', log_file: str | None = None, **kwargs: Any) -> MMLogger:
        """Build the logger, and keep long messages from its terminal."""
        logger = super().build_logger(log_level, log_file, **kwargs)
        if log_level not in ('DEBUG', logging.DEBUG):
            for handler in logger.handlers:
                if not isinstance(handler, logging.FileHandler):
                    handler.addFilter(_is_short)
            logger.info(f'Environment, config and hooks are in {logger.log_file}')
        return logger


def _is_short(record: logging.LogRecord) -> bool:
    return not (record.levelno == logging.INFO and record.getMessage().lstrip().startswith(_LONG))


def build_runner(cfg: Config) -> Runner:
    """Return the runner of a config: that of its ``runner_type``, or a :class:`QuietRunner`.

    It logs a warning if other programs use the machine.
    """
    warning = crowded()
    runner = RUNNERS.build(cfg) if 'runner_type' in cfg else QuietRunner.from_cfg(cfg)
    if warning:
        runner.logger.warning(warning)
    return runner
