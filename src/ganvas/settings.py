"""Every training setting once: type, default, range, unit, help. Command line, files and recipes derive from here.

Durations count images, not steps, so that they survive a change of batch size.
"""

from __future__ import annotations

import difflib
import re
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    ValidationError,
    field_validator,
    model_validator,
)

from ganvas.data.options import SourceOptions, StoreOptions
from ganvas.errors import UsageError

# Where G's gradient on a fake is a finite multiple of D's: one backward pass through D can serve both turns.
PROPORTIONAL = ("non_saturating", "relativistic")
# Of these a logit above 0 says "real"; of the others only differences of logits mean something.
SIGN_MEANS_REAL = ("minimax", "non_saturating", "hinge")
# What the G turn needs a pass of its own through D, or its own loss, for.
NOT_SIMULTANEOUS = (
    *("class_weight", "info_weight", "reconstruct_weight", "consistency_weight", "lecam_weight", "dragan_weight"),
    *("feature_matching_weight", "path_length_weight", "orthogonal_weight", "apa"),
)

# What only pictures from noise have a use for, and what only pictures from pictures have.
OF_GENERATION = (
    *("ada", "apa", "ada_p", "probe", "freeze_d", "standing_batches", "stream", "side", "dragan_weight"),
    *("lecam_weight", "consistency_weight", "orthogonal_weight", "path_length_weight", "class_weight", "info_weight"),
    *("reconstruct_weight", "top_k", "clip", "n_critic", "turns"),
)
OF_PAINTING = (
    *("direction", "degrade", "domains", "style", "one_hot", "d_sees_input", "d_scales", "adversarial_weight"),
    *("l1_weight", "perceptual_weight", "perceptual", "cycle_weight", "identity_weight", "contrast_weight", "pool"),
    *("class_conditional",),
)

PERCEPTUAL = ("own", "vgg19", "vgg19-multi")  # networks of --perceptual that have a name


def parse_resolution(value: object) -> object:
    """`32` -> (32, 32); `48x64` -> (48, 64), height first; pairs pass through."""
    if isinstance(value, int):
        return (value, value)
    if isinstance(value, str):
        parts = value.lower().replace("×", "x").split("x")
        if not all(part.strip().isdigit() for part in parts) or len(parts) not in (1, 2):
            raise ValueError(f"'{value}' is not a size: give one number like 32, or HEIGHTxWIDTH like 48x64")
        return (int(parts[0]), int(parts[-1]))
    return value


def _whole_number(value: object) -> object:
    return int(value) if isinstance(value, str) and value.isdigit() else value


Channels = Annotated[Literal[1, 3, 4], BeforeValidator(_whole_number)]


def _parse_names(value: object) -> object:
    if isinstance(value, str):
        names = tuple(name.strip().replace("color", "colour") for name in value.split(",") if name.strip())
        return () if names == ("none",) else names
    return value


def _parse_two(value: object) -> object:
    if not isinstance(value, str):
        return value
    names = tuple(name.strip() for name in value.split(","))
    if len(names) != 2 or not all(names) or names[0] == names[1]:
        raise ValueError(f"'{value}' does not name two classes: give two names, such as horse,deer")
    return names


_COLOURS = {"white": (255, 255, 255), "black": (0, 0, 0), "grey": (128, 128, 128)}


def parse_colour(value: object) -> object:
    """`white`, `#ff8000` or `255,128,0` -> (255, 128, 0); tuples pass through."""
    if not isinstance(value, str):
        return value
    text = value.strip().lower().replace("gray", "grey")
    if text in _COLOURS:
        return _COLOURS[text]
    parts = [part.strip() for part in text.split(",")]
    if re.fullmatch("#[0-9a-f]{6}", text):
        return tuple(bytes.fromhex(text[1:]))
    if len(parts) == 3 and all(part.isdigit() and int(part) < 256 for part in parts):
        return tuple(map(int, parts))
    raise ValueError(f"'{value}' is not a colour: give white, black, grey, #rrggbb, or red,green,blue from 0 to 255")


Level = Annotated[int, Field(ge=0, le=255)]
Colour = Annotated[
    tuple[Level, Level, Level],
    BeforeValidator(parse_colour, json_schema_input_type=str),
    PlainSerializer(lambda c: "#{:02x}{:02x}{:02x}".format(*c), return_type=str),
]
Side = Annotated[int, Field(ge=4, le=4096)]
Resolution = Annotated[
    tuple[Side, Side],
    BeforeValidator(parse_resolution, json_schema_input_type=str),
    PlainSerializer(lambda r: f"{r[0]}x{r[1]}", return_type=str),
]
Names = Annotated[
    tuple[Literal["colour", "translation", "cutout"], ...],
    BeforeValidator(_parse_names, json_schema_input_type=str),
    PlainSerializer(lambda names: ",".join(names) or "none", return_type=str),
]


Options = Annotated[
    tuple[str, ...],
    BeforeValidator(_parse_names, json_schema_input_type=str),
    PlainSerializer(lambda words: ",".join(words) or "none", return_type=str),
]
AdaGroups = Annotated[
    tuple[Literal["blit", "geometry", "colour", "filter", "noise", "cutout"], ...],
    BeforeValidator(_parse_names, json_schema_input_type=str),
    PlainSerializer(lambda names: ",".join(names) or "none", return_type=str),
]
Network = Literal[
    "mlp",
    "dcgan",
    "dcgan5",
    "fast",
    "sngan",
    "sagan",
    "biggan",
    "progressive",
    "stylegan2",
    "stylegan3",
    "fastgan",
    "r3gan",
    "projected",
    "transformer",
    "infogan",
    "acgan",
    "unet",
    "resnet",
    "pix2pixhd",
    "srresnet",
    "rrdb",
    "msrresnet",
    "srvgg",
    "fourier",
    "restore_unet",
]
Domains = Annotated[
    tuple[str, str],
    BeforeValidator(_parse_two, json_schema_input_type=str),
    PlainSerializer(lambda names: ",".join(names), return_type=str),
]
ObjectiveName = Literal[
    "minimax",
    "non_saturating",
    "least_squares",
    "wasserstein",
    "hinge",
    "relativistic",
    "relativistic_average",
]
Task = Literal["generate", "translate", "unpaired", "restore"]
Weight = Annotated[float, Field(ge=0, le=10_000)]


Trackers = Annotated[
    tuple[Literal["tensorboard", "wandb", "mlflow", "trackio"], ...],
    BeforeValidator(_parse_names, json_schema_input_type=str),
    PlainSerializer(lambda names: ",".join(names) or "none", return_type=str),
]


class DataSettings(BaseModel):
    """What is asked of the pictures, and how their source is to be read where there is more than one way."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    resolution: Resolution | None = Field(
        None, description="picture size: 32 or HEIGHTxWIDTH [default: chosen from the data]"
    )
    channels: Channels | None = Field(
        None, description="1 grey, 3 RGB, 4 RGB and alpha [default: grey if all pictures are, else RGB]"
    )
    fit: Literal["crop", "pad", "squash", "patch"] = Field(
        "crop", description="for another aspect: cut the edges, add bars, stretch, or cut patches without scaling"
    )
    matte: Colour = Field((255, 255, 255), description="colour under transparent pixels: white, black, #rrggbb")
    labels: bool | None = Field(None, description="use classes [default: when the data has them]")
    labels_file: str | None = Field(None, description="CSV or JSON lines with a row for each picture")
    label_column: str | None = Field(None, description="column or array of the classes [default: found by its name]")
    image_column: str | None = Field(None, description="column or array of the pictures [default: found by its name]")
    pairs: Literal["side-by-side", "by-name"] | None = Field(
        None, description="A|B in one picture, or folders A/ and B/ with the same names"
    )
    side: Literal["A", "B"] | None = Field(None, description="of pairs, use only this side")
    keypoints: str | None = Field(
        None, description="COCO keypoints, or CSV with file,name,x,y: points to draw the pictures from"
    )
    keypoint_sigma: float = Field(
        0.02, ge=0.002, le=0.5, description="how wide a point is shown to the network, as a share of the shorter side"
    )
    frames_every: int | None = Field(None, ge=1, description="of videos, one frame in so many [default: two a second]")
    stream: bool = Field(False, description="train straight from shards, without preparing all pictures first")
    window: str = Field("auto", description="of medical pictures: auto, file, percentile or CENTRE/WIDTH")
    slices: str = Field("filled", description="of scans and other volumes: all, middle, every:N or filled")
    plane: Literal["axial", "coronal", "sagittal"] = Field("axial", description="how volumes are cut")

    def source_options(self) -> SourceOptions:
        """The part that says how the source is read."""
        return SourceOptions(
            labels_file=None if self.labels_file is None else Path(self.labels_file).expanduser(),
            image_column=self.image_column,
            label_column=self.label_column,
            pairs=self.pairs,
            side=self.side,
            window=self.window,
            slices=self.slices,
            plane=self.plane,
            frames_every=self.frames_every,
            keypoints=None if self.keypoints is None else Path(self.keypoints).expanduser(),
            keypoint_sigma=self.keypoint_sigma,
            stream=self.stream,
        )

    def store_options(self, largest: int = 64) -> StoreOptions:
        """The part that says what is made of the pictures; `largest`: the longest side that is chosen by itself."""
        return StoreOptions(
            resolution=self.resolution,
            largest=largest,
            channels=self.channels,
            labels=self.labels,
            matte=self.matte,
            fit=self.fit,
        )


def build_data_settings(cells: dict[str, Any]) -> DataSettings:
    """Settings of the data from names and values. Raises UsageError as `build_settings` does."""
    cells = {name.replace("-", "_"): value for name, value in cells.items() if value is not None}
    try:
        return DataSettings(**cells)
    except ValidationError as error:
        raise UsageError(explain(error)) from None


class TrainSettings(DataSettings):
    """How one run is trained. A recipe is such a table with other numbers; the user overrides cells."""

    mirror: bool = Field(
        False, description="show pictures mirrored half of the time (not for text or asymmetric things)"
    )
    augment: Names = Field((), description="inside D, for reals and fakes: colour,translation,cutout or none")
    ada: AdaGroups = Field(
        (), description="the same, as much as D overfits: some of blit,geometry,colour,filter,noise,cutout"
    )
    apa: bool = Field(False, description="show D some fakes as reals, as many as D overfits")
    ada_p: float | None = Field(None, ge=0, le=1, description="a fixed probability for --ada and --apa")
    ada_target: float = Field(0.6, ge=0, lt=1, description="mean sign of D's logits on reals that --ada aims at")
    ada_images: int = Field(500_000, ge=1, description="images in which the probability may go from 0 to 1")

    # how long
    minutes: float | None = Field(None, gt=0, le=60 * 24 * 365, description="wall time of the whole command")
    images: int | None = Field(None, ge=1, le=10**12, description="real images shown to D, instead of minutes")
    probe: bool = Field(False, description="first find gamma and learning rates for these pictures by short runs")
    probe_minutes: float | None = Field(
        None, gt=0, le=60 * 24, description="of --minutes, for --probe [default: a tenth of them, from 1 to 5]"
    )

    # the machine
    batch: int = Field(64, ge=2, le=65536, description="real images per update")
    seed: int = Field(0, ge=0, le=2**32 - 1, description="of weights, order and noise")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to compute")
    precision: Literal["float32", "bf16", "fp16"] = Field(
        "float32", description="bf16 and fp16 need hardware for it; penalties stay in float32"
    )
    micro_batch: int | None = Field(
        None, ge=1, le=65536, description="pictures through the networks at once [default: the batch, if it fits]"
    )
    deterministic: bool = Field(False, description="on a GPU, bit-exact operations only, which are slower")
    compile: bool = Field(False, description="torch.compile G and D; falls back by itself where that fails")
    threads: int | None = Field(None, ge=1, le=1024, description="CPU threads [default: PyTorch's own choice]")

    # networks
    network: Network = Field("dcgan", description="family of G and D")
    z_dim: int = Field(100, ge=1, le=4096, description="length of the noise vector")
    width: int = Field(
        64, ge=4, le=1024, description="channels of the first layer of D; deeper layers are multiples of it"
    )
    max_width: int | None = Field(
        None, ge=4, le=4096, description="most channels of a deeper layer [default: the family's own]"
    )
    d_width: int | None = Field(None, ge=4, le=1024, description="another width for D than G's [default: the same]")
    network_options: Options = Field(
        (), description="what only this network knows, such as attention=32: see ganvas recipes NAME"
    )
    d_norm: Literal["batch", "instance", "none", "spectral"] = Field("batch", description="normalisation in D")

    # the game
    task: Task = Field("generate", description="what is learned: pictures from noise, or from pictures")
    direction: Literal["AtoB", "BtoA"] = Field("AtoB", description="of pairs and of two sets: from which to which")
    degrade: str | None = Field(
        None, description="what is made of good pictures for --task restore, such as lowres:4 or blur,noise"
    )
    domains: Domains | None = Field(
        None, description="for --task unpaired: two of the class folders, such as horse,deer"
    )
    style: str | None = Field(
        None, description="for --task unpaired: a picture, or a folder of a few, to paint photos in the style of"
    )
    one_hot: bool = Field(False, description="what is painted from is a label map: show it as one channel a class")
    class_conditional: bool = Field(
        False, description="of pairs and for restoring: one painter for all classes, told the class of each picture"
    )
    game: Literal["generation", "paired", "cycle", "contrast"] = Field(
        "generation", description="who plays whom; follows from the recipe"
    )
    objective: ObjectiveName = Field("non_saturating", description="what D and G minimise")
    turns: Literal["alternating", "simultaneous"] = Field(
        "alternating",
        description="simultaneous: one pass of the fakes through D serves both turns (D without BatchNorm)",
    )
    d_sees_input: bool = Field(False, description="D judges what was painted together with what it was painted from")
    d_scales: int = Field(
        1, ge=1, le=4, description="discriminators of patches, each at half the size of the one before"
    )
    adversarial_weight: Weight = Field(1.0, description="weight of D's judgement in what a painter learns; 0: no D")
    l1_weight: Weight = Field(0.0, description="weight of the mean absolute difference from the target")
    perceptual_weight: Weight = Field(
        0.0, description="weight of the difference in the features of a network that sees"
    )
    perceptual: str = Field(
        "own",
        description="that network: own (learned from the data), vgg19[:FILE], vgg19-multi[:FILE], module:function",
    )
    cycle_weight: Weight = Field(0.0, description="weight of coming back to the picture by way of the other side")
    identity_weight: Weight = Field(0.0, description="weight of leaving alone what is of the wanted kind already")
    contrast_weight: Weight = Field(0.0, description="weight of patches that tell where they come from (CUT)")
    pool: int = Field(50, ge=0, le=10_000, description="painted pictures that D is shown again (CycleGAN)")
    n_critic: int = Field(1, ge=1, le=100, description="D turns per G turn")
    r1_gamma: float = Field(0.0, ge=0, le=10_000, description="weight of the R1 penalty on reals")
    r2_gamma: float = Field(0.0, ge=0, le=10_000, description="weight of the R2 penalty on fakes")
    gp_weight: float = Field(0.0, ge=0, le=10_000, description="weight of the WGAN-GP gradient penalty")
    penalty_every: int = Field(1, ge=1, le=1000, description="D turns between penalties, which then weigh as much more")
    clip: float = Field(0.0, ge=0, le=10, description="limit of D's weights (WGAN); 0 is none")
    dragan_weight: Weight = Field(0.0, description="weight of a gradient penalty around the reals (DRAGAN)")
    lecam_weight: Weight = Field(0.0, description="weight that keeps D's logits near their running means (LeCam)")
    consistency_weight: Weight = Field(0.0, description="weight of D agreeing on mirrored and shifted copies (bCR)")
    feature_matching_weight: Weight = Field(0.0, description="weight of G matching the reals' features in D")
    top_k: float = Field(1.0, gt=0, le=1, description="share of its best fakes that G learns from in the end")
    orthogonal_weight: Weight = Field(0.0, description="weight of orthogonal regularisation of G (BigGAN)")
    path_length_weight: Weight = Field(0.0, description="weight of path length regularisation (stylegan2)")
    class_weight: Weight = Field(0.0, description="weight of the auxiliary classifier (acgan)")
    info_weight: Weight = Field(0.0, description="weight of finding the codes again (infogan)")
    reconstruct_weight: Weight = Field(0.0, description="weight of D decoding reals from its features (fastgan)")

    # optimisers
    optimizer: Literal["adam", "rmsprop"] = Field("adam", description="of both networks")
    g_lr: float = Field(2e-4, gt=0, le=1, description="learning rate of G")
    d_lr: float = Field(2e-4, gt=0, le=1, description="learning rate of D")
    beta1: float = Field(0.5, ge=0, lt=1, description="Adam's memory of the gradient")
    beta2: float = Field(0.999, ge=0, lt=1, description="Adam's memory of its square")
    lr_decay_from: float = Field(
        1.0, ge=0, le=1, description="share of the run after which learning rates fall in a line"
    )
    lr_final: float = Field(0.0, ge=0, le=1, description="share of the learning rate that is left at the end")
    burn_in: float = Field(
        0.0, ge=0, le=1, description="share of the run in which rates, gamma, beta2 and ada-p go to their last values"
    )
    gamma_final: float = Field(1.0, ge=0, le=100, description="share of the R1 and R2 weights after the burn-in")
    beta2_final: float | None = Field(None, ge=0, lt=1, description="Adam's beta2 after the burn-in")
    ema_half_life: int = Field(
        10_000, ge=1, le=10**9, description="images until an old weight counts half in the average"
    )

    standing_batches: int = Field(
        0, ge=0, le=100_000, description="batches that the average's BatchNorm is measured on at the end (BigGAN)"
    )

    # beginning from another run
    init_from: str | None = Field(None, description="run or model folder whose weights to begin with")
    freeze_d: int = Field(0, ge=0, le=1000, description="first layers of D that stand still (FreezeD)")

    # what is watched
    judge_every: int | None = Field(
        None, ge=1, description="images between scores, by which the best is chosen [default: about 8 a run]"
    )
    on_sick: Literal["report", "rollback", "stop"] = Field(
        "rollback", description="what to do about a run that is sick: say so, go back and go on milder, or stop"
    )
    patience: int | None = Field(None, ge=1, description="stop after so many scores without a better one")

    # what is written
    keep: int = Field(2, ge=1, le=1000, description="newest checkpoints kept, besides the best")
    keep_every: int | None = Field(None, ge=1, description="images between checkpoints that are kept for good")
    report_to: Trackers = Field(("tensorboard",), description="none, or some of tensorboard,wandb,mlflow,trackio")
    sheet_every: int | None = Field(None, ge=1, description="images between sample sheets [default: about 10 a run]")
    checkpoint_every: int | None = Field(
        None, ge=1, description="images between checkpoints [default: every 5 minutes]"
    )
    judge_samples: int = Field(5_000, ge=16, le=1_000_000, description="pictures drawn for the verdict at the end")

    @field_validator("perceptual")
    @classmethod
    def _names_a_network(cls, value: str) -> str:
        known, colon, place = value.partition(":")
        if (colon and not (known and place)) or (not colon and known not in PERCEPTUAL) or value.startswith("own:"):
            near = difflib.get_close_matches(known, PERCEPTUAL, n=1)
            hint = f"did you mean {near[0]}? " if near and near[0] != known else ""
            raise ValueError(f"{hint}there are {', '.join(PERCEPTUAL)}, vgg19:FILE and package.module:function")
        return value

    @field_validator("*", mode="before")
    @classmethod
    def _hyphens_are_underscores(cls, value: Any) -> Any:
        return (
            value.replace("-", "_")
            if isinstance(value, str) and value in ("non-saturating", "least-squares", "relativistic-average")
            else value
        )

    @model_validator(mode="after")
    def _settings_fit_together(self) -> TrainSettings:
        per_picture = self.r1_gamma or self.r2_gamma or self.gp_weight or self.dragan_weight
        if self.minutes is not None and self.images is not None:
            raise ValueError("give --minutes or --images, not both")
        if self.probe_minutes is not None and not self.probe:
            raise ValueError("--probe-minutes is how long --probe takes: give --probe too")
        if per_picture and self.d_norm == "batch" and self.network in ("dcgan", "dcgan5"):
            raise ValueError(
                "a penalty on D's gradient per picture needs a D without BatchNorm, which mixes pictures: "
                "give --d-norm none or --d-norm spectral, or drop the penalty"
            )
        self._check_task()
        if self.burn_in and self.lr_decay_from < 1:
            raise ValueError("--burn-in and --lr-decay-from both move the learning rates: give one of them")
        if not self.burn_in and (self.gamma_final != 1 or self.beta2_final is not None):
            raise ValueError("--gamma-final and --beta2-final are reached over the burn-in: give --burn-in, as 0.1")
        if self.turns == "simultaneous":
            self._check_simultaneous()
        return self

    def _check_task(self) -> None:
        generates = self.task == "generate"
        foreign = OF_PAINTING if generates else OF_GENERATION
        given = [name for name in foreign if getattr(self, name) != type(self).model_fields[name].default]
        if given:
            able = "--task translate, unpaired or restore" if generates else "pictures from noise"
            raise ValueError(f"--{given[0].replace('_', '-')} is a setting of {able}: leave it out here")
        if (self.game == "generation") != generates:
            raise ValueError(f"the game '{self.game}' is not one of --task {self.task}: give --recipe or --task alone")
        if not generates and self.objective in ("wasserstein", "minimax"):
            raise ValueError(
                f"--objective {self.objective}: painters learn by least_squares, non_saturating, hinge or relativistic"
            )
        if self.perceptual != "own" and not self.perceptual_weight:
            raise ValueError(f"--perceptual {self.perceptual} is of no use without --perceptual-weight: give one, as 1")
        if self.perceptual_weight and self.game != "paired":
            raise ValueError("--perceptual-weight needs targets to compare with, which sets without pairs have none of")
        if self.degrade is not None and self.task != "restore":
            raise ValueError("--degrade is of --task restore: add that, or leave it out")
        if self.class_conditional and self.task == "unpaired":
            raise ValueError("--class-conditional: classes are the two kinds of --task unpaired itself. Leave it out")
        if self.style is not None and self.game != "contrast":
            raise ValueError("--style is of --task unpaired and goes one way: give that, with --recipe cut or none")

    def _check_simultaneous(self) -> None:
        if self.objective not in PROPORTIONAL:
            raise ValueError(
                f"--turns simultaneous is exact only where G's gradient on a fake is a finite multiple of D's: "
                f"non_saturating and relativistic, not {self.objective}. Use --turns alternating"
            )
        if self.n_critic != 1:
            raise ValueError(
                "--turns simultaneous means one D turn per G turn: drop --n-critic, or use --turns alternating"
            )
        apart = [name for name in NOT_SIMULTANEOUS if getattr(self, name)] + ["top_k"] * (self.top_k < 1)
        if apart:
            raise ValueError(
                f"--{apart[0].replace('_', '-')} needs turns of their own for D and G: give --turns alternating"
            )
        if self.d_norm == "batch" and self.network in ("dcgan", "dcgan5"):
            raise ValueError("--turns simultaneous needs a D without BatchNorm: give --d-norm none or spectral")


def build_settings(cells: dict[str, Any]) -> TrainSettings:
    """Settings from names and values; raises UsageError in one line that names the setting, the value and its range."""
    cells = {name.replace("-", "_"): value for name, value in cells.items()}
    try:
        return TrainSettings(**cells)
    except ValidationError as error:
        raise UsageError(explain(error)) from None


def explain(error: ValidationError) -> str:
    """What pydantic found, in one line that names each setting, the value given and what was expected."""
    return "; ".join(_explain_one(item) for item in error.errors())


def _explain_one(item: Any) -> str:
    name = str(item["loc"][0]) if item["loc"] else ""
    message = str(item["msg"]).removeprefix("Value error, ")
    if item["type"] == "extra_forbidden":
        near = difflib.get_close_matches(name, TrainSettings.model_fields, n=1)
        hint = f": did you mean '{near[0].replace('_', '-')}'?" if near else ""
        return f"there is no setting '{name.replace('_', '-')}'{hint}"
    if not name:
        return message
    return f"--{name.replace('_', '-')} {item['input']!r}: {message[0].lower()}{message[1:]}"
