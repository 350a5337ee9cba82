"""Adaptations to third-party packages: the only file that uses private names of MMEngine, MMCV or MMDetection.

:func:`install` runs once, when ``ssd_plugin`` is imported, and applies the patches that the installed versions
need; a patch whose condition does not hold changes nothing. The other functions, and one class, give public names to
private ones, for the rest of the package to use. Each entry names the versions that need it, and the reason.

This file is imported before MMEngine, MMCV and MMDetection are known to be installed, so it imports them inside its
functions.
"""

import contextlib
import functools
import importlib
import importlib.metadata
import importlib.util
import os
import pickle
import sys
import types
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    import torch
    from mmengine.hooks import CheckpointHook
    from mmengine.model import MMDistributedDataParallel
    from mmengine.optim import OptimWrapper, OptimWrapperDict
    from mmengine.runner import IterBasedTrainLoop, Runner
    from packaging.version import Version
    from torch import nn
    from torch.utils.data import DataLoader
else:
    # The base class of a mixin at run time, see StepwiseCheckpointMixin.
    CheckpointHook = object

CONFIG_SCOPE = 'ssd_plugin'
CONFIGS = Path(__file__).parent / '.mim' / 'configs'
MIN_TORCH = '2.6'

# Import name -> distribution -> (lowest version, first version known to be too new, newest version tested). The OneDL
# forks have the same import names under other distribution names.
TESTED_VERSIONS = {
    'mmengine': {'mmengine': ('0.10.7', '1.0', '0.10.7'), 'onedl-mmengine': ('0.10.12', '1.0', '0.10.12')},
    'mmcv': {
        'mmcv-lite': ('2.1.0', '2.2.0', '2.1.0'),
        'mmcv': ('2.1.0', '2.2.0', '2.1.0'),
        'onedl-mmcv': ('2.3.6', '3.0', '2.3.6'),
    },
    'mmdet': {'mmdet': ('3.3.0', '4.0', '3.3.0'), 'onedl-mmdetection': ('3.5.1', '4.0', '3.5.1')},
}
INSTALL_HINT = 'pip install "mmengine==0.10.7" "mmcv-lite==2.1.0" "mmdet==3.3.0"   (or run: bash tools/setup_env.sh)'


def _version(text: str) -> 'Version':
    from packaging.version import Version

    return Version(text)


def check_torch_pair() -> None:
    """Check that torch is recent enough and that torchvision was built for it.

    A mismatched pair fails deep inside torchvision with ``operator torchvision::nms does not exist``.

    Raises:
        ImportError: torch is older than 2.6, torchvision is missing, or the two do not match.
    """
    import torch

    if _version(torch.__version__.split('+')[0]) < _version(MIN_TORCH):
        raise ImportError(
            f'ssd_plugin needs torch >= {MIN_TORCH}, found {torch.__version__}. '
            'Remedy: pip install --upgrade torch torchvision'
        )
    remedy = 'Remedy: pip install --upgrade torch torchvision, both in one command'
    major, minor = (int(part) for part in torch.__version__.split('.')[:2])
    if major == 2 and minor < 14:
        # torchvision 0.21 belongs to torch 2.6, 0.22 to 2.7 and so on; 0.29 and later accept any torch >= 2.14.
        remedy += f', or to keep this torch: pip install "torchvision==0.{minor + 15}.*"'
    try:
        importlib.import_module('torchvision.ops')
    except ModuleNotFoundError as error:
        if error.name != 'torchvision':
            raise
        raise ImportError(f'torchvision is not installed (torch is {torch.__version__}). {remedy}') from error
    except (RuntimeError, ImportError, OSError, AttributeError) as error:
        found = importlib.metadata.version('torchvision')
        raise ImportError(
            f'torch {torch.__version__} and torchvision {found} do not match: {error}. {remedy}'
        ) from error


def check_openmmlab_versions() -> None:
    """Check that MMEngine, MMCV and MMDetection are installed in supported versions; warn about untested newer ones.

    Raises:
        ImportError: One is missing, or its version is known not to work.
    """
    for module, distributions in TESTED_VERSIONS.items():
        if importlib.util.find_spec(module) is None:
            raise ImportError(f'{module} is not installed. Remedy: {INSTALL_HINT}')
        found = {}
        for name in distributions:
            try:
                found[name] = importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                continue
        for name, version in found.items():
            lowest, too_new, newest = distributions[name]
            if not _version(lowest) <= _version(version) < _version(too_new):
                raise ImportError(
                    f'{name} {version} is outside the range that ssd_plugin supports (>= {lowest}, < {too_new}). '
                    f'Remedy: pip install "{name}>={lowest},<{too_new}"'
                )
            if _version(version) > _version(newest):
                warnings.warn(
                    f'{name} {version} is newer than {newest}, the newest version that ssd_plugin was tested with',
                    stacklevel=2,
                )


class _OpsStandIn(types.ModuleType):
    """Stand-in for ``mmcv._ext``, MMCV's compiled extension, where it was not built.

    NMS is torchvision's. Any other op can be looked up, as MMCV does with all of them when it is imported, but raises
    when called.
    """

    def __getattr__(self, name: str) -> Callable[..., NoReturn]:
        if name.startswith('__'):
            raise AttributeError(name)

        def missing_op(*args: object, **kwargs: object) -> NoReturn:
            raise NotImplementedError(
                f"the MMCV op '{name}' was called, but the installed mmcv has no compiled ops. Remedy: use a component "
                'that does not need it, or replace mmcv-lite with a compiled mmcv (pip uninstall mmcv-lite; '
                'pip install "mmcv==2.1.0")'
            )

        missing_op.__name__ = name
        return missing_op

    @staticmethod
    def nms(boxes: 'torch.Tensor', scores: 'torch.Tensor', iou_threshold: float, offset: int) -> 'torch.Tensor':
        """Return the indices of the boxes that non-maximum suppression keeps, by descending score.

        Args:
            boxes: ``(N, 4)`` xyxy.
            scores: ``(N,)``.
            iou_threshold: IoU above which the lower-scoring box is suppressed.
            offset: 1 where coordinates are inclusive, so that widths are x2 - x1 + 1. The IoU is then that of boxes
                whose bottom-right corner is moved by 1.
        """
        import torchvision

        if offset:
            boxes = boxes + boxes.new_tensor([0, 0, offset, offset])
        return torchvision.ops.nms(boxes, scores, iou_threshold)

    @staticmethod
    def get_compiler_version() -> str:
        """Return a text for ``collect_env``, which logs the environment of every run."""
        return 'none (mmcv without compiled ops)'

    get_compiling_cuda_version = get_compiler_version


def provide_mmcv_ops() -> None:
    """Install a stand-in for MMCV's compiled ops where they are missing or do not load.

    Without compiled ops (mmcv-lite, the OneDL wheels, mmcv built with ``MMCV_WITH_OPS=0``), MMDetection fails at import
    with ``No module named 'mmcv._ext'``. Compiled ops are used where they load.
    """
    try:
        importlib.import_module('mmcv._ext')
        return
    except ModuleNotFoundError as error:
        if error.name != 'mmcv._ext':
            raise
    except ImportError as error:
        warnings.warn(f'the compiled ops of mmcv do not load and are not used: {error}', stacklevel=2)
    stand_in = _OpsStandIn('mmcv._ext')
    # mmengine.utils.mmcv_full_available reads the spec.
    stand_in.__spec__ = ModuleSpec('mmcv._ext', None)
    sys.modules['mmcv._ext'] = stand_in
    # The import of a real submodule sets this attribute, too, which a ModuleType does not declare.
    mmcv: Any = sys.modules['mmcv']
    mmcv._ext = stand_in


def allow_checkpoint_types() -> None:
    """Let PyTorch's safe reader accept the types in MMEngine's checkpoints.

    torch >= 2.6 reads checkpoints with ``weights_only=True`` by default and refuses those of MMEngine (0.10.7, onedl
    0.10.12), whose log history has types that it does not know. They hold data only, so allowing them keeps the reader
    safe.
    """
    import numpy as np
    import torch
    from mmengine.logging.history_buffer import HistoryBuffer

    statistics = {name: getattr(HistoryBuffer, name) for name in ('mean', 'max', 'min', 'current')}

    def history_buffer_method(owner: type, name: str) -> Callable[..., Any]:
        # A pickled HistoryBuffer refers to its methods by getattr. The real getattr would let a file reach anything.
        if owner is HistoryBuffer and name in statistics:
            return statistics[name]
        raise pickle.UnpicklingError(f'Unsupported global: getattr({owner}, {name!r})')

    # NumPy 2 renamed numpy.core to numpy._core; a checkpoint contains the name in the version that wrote it.
    numpy_core = 'numpy._core' if _version(np.__version__).major >= 2 else 'numpy.core'
    multiarray = importlib.import_module(f'{numpy_core}.multiarray')
    arrays = [
        (getattr(multiarray, name), f'numpy.{core}.multiarray.{name}')
        for name in ('_reconstruct', 'scalar')
        for core in ('core', '_core')
    ]
    dtypes = [type(np.dtype(name)) for name in ('bool', 'uint8', 'int32', 'int64', 'float16', 'float32', 'float64')]
    torch.serialization.add_safe_globals(
        [HistoryBuffer, (history_buffer_method, 'builtins.getattr'), np.ndarray, np.dtype, *dtypes, *arrays]
    )


def keep_weights_only() -> None:
    """Keep MMEngine from reading a checkpoint unsafely after PyTorch's safe reader has refused it.

    onedl-mmengine 0.10.12 reads a refused file again with ``weights_only=False``, which runs whatever code the file
    holds.
    """
    from mmengine.runner import checkpoint

    # Absent from MMEngine 0.10.7.
    load = getattr(checkpoint, '_safe_torch_load', None)
    if load is None:
        return

    def load_safely(file: Any, map_location: Any = None, weights_only: bool = True) -> Any:
        return load(file, map_location=map_location, weights_only=weights_only)

    checkpoint._safe_torch_load = load_safely


def _name_in_package(text: object) -> str | None:
    """Return NAME of the text ``ssd_plugin::NAME``; ``None`` for any other text."""
    scope, separator, name = str(text).partition('::')
    return name if separator and scope == CONFIG_SCOPE else None


def resolve_config_names() -> None:
    """Let configs of this package be read and inherited by name.

    ``_base_ = 'ssd_plugin::ssd300_voc.py'`` in a config, and ``Config.fromfile('ssd_plugin::ssd300_voc.py')``, as the
    tools of MMDetection and ``init_detector`` call it.

    MMEngine (0.10.7, onedl 0.10.12) resolves ``PACKAGE::`` only in ``_base_`` and only for packages in its own table,
    requires a folder in the path, and makes the package the registry scope of the config. The components of this
    package are in MMDetection's registries, so its configs are read like local ones, which leaves the scope as it is.
    """
    from mmengine.config import Config

    get_cfg_path, fromfile = Config._get_cfg_path, Config.fromfile

    def get_cfg_path_by_name(cfg_path: str, filename: str) -> tuple[str, str | None]:
        name = _name_in_package(cfg_path)
        return get_cfg_path(cfg_path, filename) if name is None else (str(config_path(name)), None)

    def fromfile_by_name(filename: str | Path, *args: Any, **kwargs: Any) -> Config:
        name = _name_in_package(filename)
        return fromfile(filename if name is None else config_path(name), *args, **kwargs)

    Config._get_cfg_path = staticmethod(get_cfg_path_by_name)
    Config.fromfile = staticmethod(fromfile_by_name)


def inherit_by_import() -> None:
    """Let MMEngine's Python configs inherit those of this package.

    They do so with ``from ssd_plugin.configs.ssd300_voc import *`` in ``with read_base():``.

    MMEngine (0.10.7, onedl 0.10.12) looks for the module in the folder of the package and requires that it inherits by
    import, too. The configs of this package are under ``.mim`` and inherit by ``_base_``. Called after
    :func:`replace_pkg_resources`, which may replace the same function.
    """
    from mmengine.config import Config, ConfigDict, config

    installed_path, parse = config.get_installed_path, Config._parse_lazy_import

    def get_installed_path(package: str) -> str:
        return str(CONFIGS.parent) if package == CONFIG_SCOPE else installed_path(package)

    def parse_lazy_import(filename: str) -> tuple[ConfigDict, set[str]]:
        if CONFIGS in Path(filename).parents:
            return Config.fromfile(filename)._cfg_dict, set()
        return parse(filename)

    config.get_installed_path = get_installed_path
    Config._parse_lazy_import = staticmethod(parse_lazy_import)


def find_models_by_name() -> None:
    """Make MMEngine find the models of ``model-index.yml`` by name.

    For example ``get_config('ssd_plugin::ssd300_voc.py')``, ``get_model`` with the same name, and
    ``DetInferencer('ssd_plugin::ssd300_voc')``, or without ``ssd_plugin::`` where MMDetection has no model of the name.

    MMEngine (0.10.7, onedl 0.10.12) knows only the packages of OpenMMLab, requires a folder in the path of a config,
    and searches for a model in the package whose registries build it, which here is MMDetection.
    """
    import mmengine.hub
    from mmengine.config import Config
    from mmengine.config.utils import MODULE2PACKAGE
    from mmengine.hub import hub
    from mmengine.infer import BaseInferencer
    from mmengine.registry import MODELS, DefaultScope
    from torch import nn

    MODULE2PACKAGE[CONFIG_SCOPE] = CONFIG_SCOPE
    split_name, build_model = hub._get_package_and_cfg_path, hub.get_model
    load_model = BaseInferencer._load_model_from_metafile

    def get_package_and_cfg_path(cfg_path: str) -> tuple[str, str]:
        name = _name_in_package(cfg_path)
        if name is None:
            return split_name(cfg_path)
        return CONFIG_SCOPE, config_path(name).relative_to(CONFIGS).as_posix()

    def get_model(cfg_path: str, pretrained: bool = False, **kwargs: Any) -> nn.Module:
        if _name_in_package(cfg_path) is None:
            return build_model(cfg_path, pretrained, **kwargs)
        cfg = hub.get_config(cfg_path, pretrained)
        with DefaultScope.overwrite_default_scope('mmdet'):
            model = MODELS.build(cfg.model, default_args=kwargs)
        if pretrained:
            hub.load_checkpoint(model, cfg.model_path)
            # Runner would initialize it again.
            model.is_init = True
        return model

    def load_own(self: BaseInferencer, name: str) -> tuple[Config, str | None]:
        registry_scope, self.scope = self.scope, CONFIG_SCOPE
        try:
            return load_model(self, name)
        finally:
            self.scope = registry_scope

    def load_model_from_metafile(self: BaseInferencer, model: str) -> tuple[Config, str | None]:
        name = _name_in_package(model)
        if name is not None:
            return (Config.fromfile(model), None) if name.endswith('.py') else load_own(self, name)
        try:
            return load_model(self, model)
        except ValueError:
            with contextlib.suppress(ValueError):
                return load_own(self, model)
            raise

    hub._get_package_and_cfg_path = get_package_and_cfg_path
    hub.get_model = mmengine.hub.get_model = get_model
    BaseInferencer._load_model_from_metafile = load_model_from_metafile


def resolve_config_path(path: str, relative_to: str = '') -> str:
    """Return the file that a config name stands for.

    MMEngine (0.10.7, onedl 0.10.12) has no public name for it.

    Args:
        path: Path of a config, or ``PACKAGE::NAME``.
        relative_to: Config whose ``_base_`` contains ``path``; empty if the user gave it.
    """
    from mmengine.config import Config

    return Config._get_cfg_path(path, relative_to)[0]


def base_files(path: str) -> list[str]:
    """Return the configs that a config inherits directly, as written in its ``_base_``.

    MMEngine (0.10.7, onedl 0.10.12) has no public name for it.
    """
    from mmengine.config import Config

    return Config._get_base_files(path)


def config_names() -> list[str]:
    """Return the configs that come with the package, without those that are parts, by their path in its folder."""
    paths = (path.relative_to(CONFIGS) for path in CONFIGS.rglob('*.py'))
    return sorted(path.as_posix() for path in paths if '_base_' not in path.parts)


def config_path(name: str) -> Path:
    """Return the path of one of the configs that come with the package.

    Args:
        name: Path relative to the folder of configs, for example ``'ssd300_voc.py'`` or
            ``'bccd/ssd_depthwise_bccd.py'``; the suffix may be omitted.

    Raises:
        FileNotFoundError: There is no such config. The message names the configs with the same or a similar file name
            or, if there are none, all of them.
    """
    path = CONFIGS / name
    path = path if path.suffix else path.with_suffix('.py')
    if not path.is_file():
        known = config_names()
        namesakes = [other for other in known if Path(other).name == path.name]
        namesakes = namesakes or get_close_matches(name, known, n=3)
        hint = f'did you mean {" or ".join(namesakes)}?' if namesakes else f'it has: {", ".join(known)}'
        raise FileNotFoundError(f"ssd_plugin has no config '{name}' in {CONFIGS}; {hint}")
    return path


def replace_pkg_resources() -> None:
    """Let MMEngine find installed packages without ``pkg_resources``.

    MMEngine 0.10.7 looks packages up with ``pkg_resources``, which setuptools dropped in version 81 and new virtual
    environments lack, so that ``_base_ = 'mmdet::...'`` fails there. The replacements use ``importlib``.
    """
    if importlib.util.find_spec('pkg_resources') is not None:
        return
    import mmengine.hub.hub
    import mmengine.utils.package_utils as package_utils
    from mmengine.config.utils import MODULE2PACKAGE

    modules = {package: module for module, package in MODULE2PACKAGE.items()}

    def find(package: str) -> ModuleSpec | None:
        return importlib.util.find_spec(modules.get(package, package))

    def is_installed(package: str) -> bool:
        return find(package) is not None

    def get_installed_path(package: str) -> str:
        spec = find(package)
        if spec is None or spec.origin is None:
            raise ModuleNotFoundError(f'{package} is not installed')
        return os.path.dirname(spec.origin)

    for name, replacement in (('is_installed', is_installed), ('get_installed_path', get_installed_path)):
        for module in (package_utils, mmengine.utils, mmengine.config.config, mmengine.hub.hub):
            # Each module has imported the function by name, or does not use it.
            if hasattr(module, name):
                setattr(module, name, replacement)


def start_gloo_without_gpu() -> None:
    """Let distributed training run without a GPU.

    MMEngine's launchers (0.10.7, onedl 0.10.12) call ``torch.cuda.set_device`` and wrap the model for a GPU. Without a
    GPU, the ``pytorch`` launcher starts a gloo group instead, and the model is wrapped for the CPU.
    """
    import torch
    from mmengine.dist import utils as dist_utils
    from mmengine.runner import Runner

    start, wrap = dist_utils._init_dist_pytorch, Runner.wrap_model

    def init_dist_pytorch(backend: str, init_backend: str = 'torch', **kwargs: Any) -> None:
        if torch.cuda.is_available():
            start(backend, init_backend=init_backend, **kwargs)
        else:
            torch.distributed.init_process_group(backend='gloo', **kwargs)

    def wrap_model(
        self: Runner, model_wrapper_cfg: dict | None, model: torch.nn.Module
    ) -> 'torch.nn.Module | MMDistributedDataParallel':
        if self.distributed and not torch.cuda.is_available():
            defaults = dict(
                type='MMDistributedDataParallel',
                broadcast_buffers=False,
                find_unused_parameters=self.cfg.get('find_unused_parameters', False),
            )
            model_wrapper_cfg = {**defaults, **(model_wrapper_cfg or {}), 'device_ids': None}
        return wrap(self, model_wrapper_cfg, model)

    dist_utils._init_dist_pytorch = init_dist_pytorch
    Runner.wrap_model = wrap_model


def recognize_image_loaders(*loaders: type) -> None:
    """Have MMDetection's ``get_loading_pipeline`` (3.3.0, onedl 3.5.1) recognize other steps that load images.

    The function, which ``tools/analysis_tools/analyze_results.py`` calls, keeps the steps whose class is exactly MMCV's
    or MMDetection's. The replacement keeps subclasses too, which may be registered under the same names.

    Args:
        loaders: Classes whose steps become ``LoadImageFromFile``, with their ``backend_args``.
    """
    import mmdet.datasets
    from mmcv.transforms import LoadImageFromFile
    from mmdet.datasets import utils
    from mmdet.datasets.transforms import LoadAnnotations, LoadPanopticAnnotations
    from mmdet.registry import TRANSFORMS

    def get_loading_pipeline(pipeline: list[dict]) -> list[dict]:
        kept = []
        for step in pipeline:
            kind = step['type'] if isinstance(step['type'], type) else TRANSFORMS.get(step['type'])
            if kind is None:
                continue
            if issubclass(kind, loaders):
                kept.append(dict(type='LoadImageFromFile', backend_args=step.get('backend_args')))
            elif issubclass(kind, (LoadImageFromFile, LoadAnnotations, LoadPanopticAnnotations)):
                # Without a box type, boxes are arrays, which the tools of MMDetection do not take.
                kept.append({key: value for key, value in step.items() if (key, value) != ('box_type', None)})
        if len(kept) != 2:
            found = ', '.join(str(step['type']) for step in pipeline)
            raise ValueError(f'a pipeline must have one step that loads images and one for annotations, got: {found}')
        return kept

    for module in (utils, mmdet.datasets):
        module.get_loading_pipeline = get_loading_pipeline


def log_initialization(module: 'nn.Module', text: str) -> None:
    """Record how the parameters of a module were initialized, for the report that MMEngine logs before training.

    Args:
        module: Module whose parameters have just been set.
        text: How they were set.
    """
    from mmengine.model import update_init_info

    # Present only while BaseModule.init_weights collects its report, not when an initializer is called by itself.
    if hasattr(module, '_params_init_info'):
        update_init_info(module, init_info=text)


def call_hooks_on_exit() -> None:
    """Call the method ``on_exit(runner)`` of every hook that has one when training ends, whatever ends it.

    MMEngine (0.10.7, onedl 0.10.12) calls no hook when an error or an interrupt ends ``Runner.train``, so that a hook
    could not give back what it holds: signal handlers, or the lock of the work directory.
    """
    from mmengine.runner import Runner

    train = Runner.train

    @functools.wraps(train)
    def train_and_exit(self: Runner) -> 'nn.Module':
        try:
            return train(self)
        finally:
            for hook in self.hooks:
                # Hooks of other packages have no such method.
                on_exit = getattr(hook, 'on_exit', None)
                if on_exit is not None:
                    on_exit(self)

    Runner.train = train_and_exit


def install() -> None:
    """Check the versions and apply every patch. Called once by ``import ssd_plugin``."""
    check_torch_pair()
    check_openmmlab_versions()
    provide_mmcv_ops()
    allow_checkpoint_types()
    keep_weights_only()
    resolve_config_names()
    find_models_by_name()
    replace_pkg_resources()
    inherit_by_import()
    start_gloo_without_gpu()
    call_hooks_on_exit()


def endless_batches(dataloader: 'DataLoader') -> Iterator[Any]:
    """Return an iterator over a dataloader that starts again when it is exhausted.

    It is the iterator that MMEngine's ``IterBasedTrainLoop`` (0.10.7, onedl 0.10.12) makes of its dataloader, for which
    there is no public name.
    """
    from mmengine.runner.loops import _InfiniteDataloaderIterator

    return _InfiniteDataloaderIterator(dataloader)


def update_val_interval(loop: 'IterBasedTrainLoop') -> None:
    """Set the validation interval of a loop to that of its next iteration, as its ``dynamic_intervals`` say.

    MMEngine (0.10.7, onedl 0.10.12) does this inside ``IterBasedTrainLoop.run``, by a private method.
    """
    loop._decide_current_val_interval()


def shared_seed(runner: 'Runner') -> int:
    """Return the random seed that all ranks of a run have in common.

    With ``randomness=dict(diff_rank_seed=True)``, MMEngine (0.10.7, onedl 0.10.12) adds the rank to ``runner.seed``,
    and keeps the option in a private attribute.
    """
    from mmengine.dist import get_rank

    return runner.seed - (get_rank() if runner._randomness_cfg.get('diff_rank_seed') else 0)


def accumulation_steps(optim_wrapper: 'OptimWrapper | OptimWrapperDict') -> int:
    """Return the number of iterations whose gradients are accumulated before a step of the optimizer.

    MMEngine (0.10.7, onedl 0.10.12) has no public name for it. An ``OptimWrapperDict`` has no such number: each of its
    wrappers steps by itself.
    """
    from mmengine.optim import OptimWrapperDict

    return 1 if isinstance(optim_wrapper, OptimWrapperDict) else optim_wrapper._accumulative_counts


def restore_checkpoint(runner: 'Runner', path: str) -> dict[str, Any]:
    """Load weights, and their moving average if there is one, as a resumed run does; return the checkpoint.

    MMEngine's ``EMAHook`` (0.10.7, onedl 0.10.12) tells by a private attribute of the runner whether a checkpoint is
    loaded to resume from, with the average beside the weights, or to start from, with one set of weights for both.

    Args:
        runner: MMEngine's runner, whose counters, optimizer and schedules do not change.
        path: Path of the checkpoint.
    """
    resumed, runner._resume = runner._resume, True
    try:
        return runner.load_checkpoint(path)
    finally:
        runner._resume = resumed


def is_resuming(runner: 'Runner') -> bool:
    """Return whether the checkpoint that a runner loads is one to resume from, not weights to start from.

    MMEngine (0.10.7, onedl 0.10.12) has no public name for it.
    """
    return runner._resume


def save_checkpoint_now(hook: 'CheckpointHook', runner: 'Runner') -> None:
    """Save a checkpoint of the iteration or epoch that is ending, whatever the interval of the hook.

    MMEngine (0.10.7, onedl 0.10.12) has no public name for it.
    """
    hook._save_checkpoint(runner)


@contextmanager
def managers_kept() -> Iterator[None]:
    """Forget the loggers, visualizers and message hubs that are created inside the block.

    MMEngine's ``ManagerMixin`` (0.10.7, onedl 0.10.12) keeps each by name in a private attribute of its class, and
    returns it to whoever asks for the name again.
    """
    from mmengine.utils import ManagerMixin

    def classes(root: type) -> Iterator[type]:
        yield root
        for inner in root.__subclasses__():
            yield from classes(inner)

    kept = {manager: dict(manager._instance_dict) for manager in classes(ManagerMixin)}
    try:
        yield
    finally:
        for manager in classes(ManagerMixin):
            manager._instance_dict.clear()
            manager._instance_dict.update(kept.get(manager, {}))


class StepwiseCheckpointMixin(CheckpointHook):
    """Mixin that gives MMEngine's ``CheckpointHook`` public names for the two methods that write files.

    They can be overridden to write differently. MMEngine (0.10.7, onedl 0.10.12) calls both by private names. The mixin
    stands before ``CheckpointHook`` in the list of bases; it derives from that class for type checkers only.
    """

    def write_checkpoint(self, runner: 'Runner', step: int, meta: dict) -> None:
        """Write the checkpoint of a step, and delete those beyond ``max_keep_ckpts``.

        Args:
            runner: MMEngine's runner.
            step: Number of the iteration or epoch, which names the file.
            meta: Numbers of epoch and iteration, to be saved in the checkpoint.
        """
        super()._save_checkpoint_with_step(runner, step, meta)

    def write_best_checkpoint(self, runner: 'Runner', metrics: dict[str, float]) -> None:
        """Write the weights as the best so far where ``metrics`` say so, and delete the previous best.

        Args:
            runner: MMEngine's runner.
            metrics: Results of the validation by name.
        """
        super()._save_best_checkpoint(runner, metrics)

    def _save_checkpoint_with_step(self, runner: 'Runner', step: int, meta: dict) -> None:
        self.write_checkpoint(runner, step, meta)

    def _save_best_checkpoint(self, runner: 'Runner', metrics: dict[str, float]) -> None:
        self.write_best_checkpoint(runner, metrics)
