"""Sources known by name: small ones that scikit-learn and scikit-image ship, and three downloaded once, checked."""

from __future__ import annotations

import hashlib
import importlib.util
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ganvas.data.arrays.cifar import Loaded, load_cifar10
from ganvas.data.arrays.idx import open_idx
from ganvas.data.arrays.numpy_files import open_array
from ganvas.data.cache import downloads_folder
from ganvas.data.contract import EncodedPictures, Source, SourceDefaults
from ganvas.data.decode import Header, PictureError, Pixels
from ganvas.data.download import Download, Progress, fetch
from ganvas.errors import GanvasError

_TFDS = "tensorflow/datasets on GitHub, tensorflow_datasets/url_checksums"
_TORCHVISION = "pytorch/vision on GitHub, torchvision/datasets/mnist.py"
_IDX_FILES = ("train-images", "train-labels", "t10k-images", "t10k-labels")


@dataclass(frozen=True)
class Builtin:
    """One row of the table: `pictures` counts training and test ones.

    size: height, width, channels; None where the pictures differ. class_names: empty without labels.
    """

    name: str
    pictures: int
    size: tuple[int, int, int] | None
    licence: str
    origin: str
    class_names: tuple[str, ...]
    files: tuple[Download, ...] = field(default=(), repr=False)

    @property
    def size_text(self) -> str:
        """The size as a reader sees it."""
        return "various" if self.size is None else "x".join(map(str, self.size))


def _idx_downloads(bases: Sequence[str], known: dict[str, tuple[int, str, str]], source: str) -> tuple[Download, ...]:
    """`known`: size, SHA-256 and MD5 of each of the four files, found at each of the `bases`."""
    rows = []
    for start in _IDX_FILES:
        file = f"{start}-idx{3 if 'images' in start else 1}-ubyte.gz"
        size, sha256, md5 = known[start]
        rows.append(Download(file, tuple(base + file for base in bases), size, sha256, md5, source))
    return tuple(rows)


_DIGIT_NAMES = tuple(str(i) for i in range(10))
_FASHION_NAMES = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)

# What scikit-image says of the photographs inside its package; those of which it states no licence are left out.
_PHOTOS = {
    "astronaut.png": "public domain (NASA)",
    "brick.png": "CC0",
    "camera.png": "CC0 (Lav Varshney)",
    "chelsea.png": "CC0 (Stefan van der Walt)",
    "coffee.png": "CC0 (Rachel Michetti)",
    "coins.png": "no known restrictions (Brooklyn Museum)",
    "grass.png": "CC0",
    "gravel.png": "CC0",
    "hubble_deep_field.jpg": "public domain (NASA)",
    "rocket.jpg": "public domain (SpaceX)",
}

BUILTINS: dict[str, Builtin] = {
    row.name: row
    for row in (
        Builtin(
            "digits",
            1797,
            (8, 8, 1),
            "CC BY 4.0 (UCI repository)",
            "https://archive.ics.uci.edu/dataset/80/optical+recognition+of+handwritten+digits",
            _DIGIT_NAMES,
        ),
        Builtin(
            "faces-tiny",
            100,
            (25, 25, 1),
            "none stated; from Labeled Faces in the Wild, for research",
            "http://vis-www.cs.umass.edu/lfw/",
            (),
        ),
        Builtin(
            "photos",
            len(_PHOTOS),
            None,
            "; ".join(f"{file.partition('.')[0]}: {licence}" for file, licence in _PHOTOS.items()),
            "https://scikit-image.org/docs/stable/api/skimage.data.html",
            (),
        ),
        Builtin(
            "mnist",
            70_000,
            (28, 28, 1),
            "none stated by the authors; often cited as CC BY-SA 3.0",
            "http://yann.lecun.com/exdb/mnist/",
            _DIGIT_NAMES,
            _idx_downloads(
                (
                    "https://storage.googleapis.com/cvdf-datasets/mnist/",
                    "https://ossci-datasets.s3.amazonaws.com/mnist/",
                ),
                {
                    "train-images": (
                        9_912_422,
                        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
                        "f68b3c2dcbeaaa9fbdd348bbdeb94873",
                    ),
                    "train-labels": (
                        28_881,
                        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
                        "d53e105ee54ea40749a09fcbcd1e9432",
                    ),
                    "t10k-images": (
                        1_648_877,
                        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
                        "9fb629c4189551a2d022fa330f9573f3",
                    ),
                    "t10k-labels": (
                        4_542,
                        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
                        "ec29112dd5afa0611ce80d1b7f02629c",
                    ),
                },
                f"size and SHA-256: {_TFDS}/mnist.txt; MD5: {_TORCHVISION}",
            ),
        ),
        Builtin(
            "fashion-mnist",
            70_000,
            (28, 28, 1),
            "MIT, Zalando SE",
            "https://github.com/zalandoresearch/fashion-mnist",
            _FASHION_NAMES,
            _idx_downloads(
                (
                    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
                    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
                ),
                {
                    "train-images": (
                        26_421_880,
                        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
                        "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
                    ),
                    "train-labels": (
                        29_515,
                        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
                        "25c81989df183df01b3e8a0aad5dffbe",
                    ),
                    "t10k-images": (
                        4_422_102,
                        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
                        "bef4ecab320f06d8554ea6380940ec79",
                    ),
                    "t10k-labels": (
                        5_148,
                        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
                        "bb300cfdad3c16e7a12a480ee83cd310",
                    ),
                },
                f"size and SHA-256: {_TFDS}/fashion_mnist.txt; MD5: {_TORCHVISION}",
            ),
        ),
        Builtin(
            "cifar10",
            60_000,
            (32, 32, 3),
            "none stated by the authors; cite Krizhevsky, 2009",
            "https://www.cs.toronto.edu/~kriz/cifar.html",
            ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"),
            (
                Download(
                    "cifar-10-binary.tar.gz",
                    ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
                    170_052_171,
                    "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd",
                    None,
                    f"{_TFDS}/cifar10.txt",
                ),
            ),
        ),
    )
}


def builtin_table() -> list[Builtin]:
    """All sources that have a name, in the order to show them."""
    return list(BUILTINS.values())


def open_builtin(name: str, progress: Progress | None = None) -> Source:
    """Open a built-in source, downloading it the first time. Raises GanvasError if it cannot be had."""
    row = BUILTINS[name]
    if name == "digits":
        _need(row, "sklearn", "scikit-learn")
        return _LoadedSource(row, 1797, load_digits, _text_hash("digits of scikit-learn, 1"), (16, 16))
    if name == "faces-tiny":
        return open_array(_tiny_faces(_skimage_data(row)), name=name)
    if name == "photos":
        return _Photos(row, _skimage_data(row))
    folder = downloads_folder(name)
    files = fetch(name, row.files, folder, progress)
    if name == "cifar10":
        return _LoadedSource(row, 50_000, lambda: load_cifar10(files[0]), _text_hash(row.files[0].sha256 or ""), None)
    return open_idx(name, folder, row.class_names)


def _need(row: Builtin, module: str, package: str) -> None:
    if importlib.util.find_spec(module) is None:
        verb = "come" if row.name.endswith("s") else "comes"
        raise GanvasError(f'{row.name} {verb} with {package}, which is not installed: pip install "ganvas[demo]"')


def _skimage_data(row: Builtin) -> Path:
    """The folder of pictures inside scikit-image's package; what it would download is never asked for."""
    _need(row, "skimage", "scikit-image")
    spec = importlib.util.find_spec("skimage")
    origin = None if spec is None else spec.origin
    assert origin is not None, "the package was found two lines above"
    return Path(origin).parent / "data"


def _tiny_faces(data: Path) -> NDArray[np.floating]:
    """[100, 25, 25] float64 in [0, 1]: the faces; what follows them in the file is background."""
    path = data / "lfw_subset.npy"
    try:
        faces: NDArray[np.floating] = np.load(path, mmap_mode="r", allow_pickle=False)[:100]
    except (OSError, ValueError) as error:
        raise GanvasError(f"{path} cannot be read ({error}): install scikit-image again") from error
    return faces


class _Photos(EncodedPictures):
    """Photographs inside scikit-image's package, of several sizes, some grey: meant to be cut into patches."""

    def __init__(self, row: Builtin, data: Path) -> None:
        self.name, self.class_names, self.labels = row.name, row.class_names, None
        self.labels_note = "unlabelled: photographs of many things"
        self.names = tuple(_PHOTOS)
        self.held_out = np.zeros(len(self.names), np.bool_)
        self._data = data
        sizes = " ".join(f"{name} {self.size(index)}" for index, name in enumerate(self.names))
        self.fingerprint = _text_hash(f"photos of scikit-image: {sizes}")

    def encoded(self, index: int) -> bytes:
        """The whole file of one picture."""
        try:
            return (self._data / self.names[index]).read_bytes()
        except OSError as error:
            raise PictureError(self.names[index], f"cannot be read ({error.strerror})") from error

    def size(self, index: int) -> int:
        """Bytes of the file; 0 if it is not there."""
        path = self._data / self.names[index]
        return path.stat().st_size if path.is_file() else 0


class _LoadedSource(SourceDefaults):
    """A built-in that fits in memory and is loaded at the first look at a picture or label."""

    def __init__(
        self,
        row: Builtin,
        training: int,
        load: Callable[[], Loaded],
        fingerprint: str,
        default_resolution: tuple[int, int] | None,
    ) -> None:
        self.name, self.class_names, self.fingerprint = row.name, row.class_names, fingerprint
        self.default_resolution = default_resolution
        self.labels_note = f"{len(row.class_names)} classes of {row.name}"
        self.held_out: NDArray[np.bool_] = np.arange(row.pictures) >= training
        self.names: Sequence[str] = [
            f"test[{i - training}]" if i >= training else f"train[{i}]" for i in range(row.pictures)
        ]
        assert row.size is not None, "only sources of one size are loaded at once"
        height, width, channels = row.size
        self._header = Header(width, height, channels, 8)
        self._load = load
        self._loaded: Loaded | None = None
        self._lock = threading.Lock()

    @property
    def labels(self) -> NDArray[np.int64]:
        """[N] int64."""
        return self._arrays()[1]

    def read(self, index: int) -> Pixels:
        """One picture: [H, W, C] uint8."""
        picture: NDArray[np.uint8] = self._arrays()[0][index]
        return picture

    def header(self, index: int) -> Header:
        """The same for all pictures."""
        return replace(self._header)

    def _arrays(self) -> Loaded:
        with self._lock:
            if self._loaded is None:
                self._loaded = self._load()
            return self._loaded


def load_digits() -> Loaded:
    """The digits of scikit-learn: [1797, 8, 8, 1] uint8, their 17 levels spread over 0 to 255, and labels."""
    # Here, because it takes a second and is optional.
    from sklearn import datasets  # type: ignore[import-untyped]

    bunch = datasets.load_digits()
    pictures = np.rint(bunch.images * (255 / 16)).astype(np.uint8)
    return pictures[..., None], bunch.target.astype(np.int64)


def _text_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
