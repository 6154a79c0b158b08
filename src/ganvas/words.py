"""What users type, made one: flags of other trainers, seeds as ranges, and the settings as options without defaults."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from ganvas.errors import UsageError
from ganvas.settings import DataSettings, TrainSettings

# Flags that users of StyleGAN and diffusers bring with them, where they mean the same.
ALIASES = {
    "--outdir": "--out",
    "--output-dir": "--out",
    "--cfg": "--recipe",
    "--gamma": "--r1-gamma",
    "--init": "--init-from",
    "--train-batch-size": "--batch",
    "--truncation-psi": "--trunc",
}
# The same with another way to say the value.
REWORDED = ("--kimg", "--mixed-precision", "--cond", "--learning-rate", "--resume-from-checkpoint")
PRECISIONS = {"no": "float32", "fp32": "float32", "float32": "float32", "bf16": "bf16", "fp16": "fp16"}


def translate(tokens: list[str]) -> list[str]:
    """Command-line words with underscores as hyphens in flags and other trainers' flags by their names here."""
    out: list[str] = []
    words = iter(tokens)
    for word in words:
        if word == "--":
            return [*out, word, *words]
        if not word.startswith("--"):
            out.append(word)
            continue
        flag, equals, value = word.partition("=")
        flag = flag.replace("_", "-")
        if flag == "--data" and tokens[:1] == ["train"]:
            out.append(value if equals else next(words, ""))  # StyleGAN's --data is our SOURCE
        elif flag in REWORDED and tokens[:1] == ["train"]:
            out += _reworded(flag, value if equals else next(words, ""))
        else:
            out.append(ALIASES.get(flag, flag) + equals + value)
    return out


def _reworded(flag: str, value: str) -> list[str]:
    if flag == "--kimg":
        try:
            return ["--images", str(round(float(value) * 1000))]
        except ValueError:
            raise UsageError(f"--kimg {value!r}: expected a number of thousands of images") from None
    if flag == "--mixed-precision":
        if value not in PRECISIONS:
            raise UsageError(f"--mixed-precision {value!r}: expected {' or '.join(PRECISIONS)}")
        return ["--precision", PRECISIONS[value]]
    if flag == "--cond":
        return ["--labels" if value.lower() in ("1", "true", "yes") else "--no-labels"]
    if flag == "--learning-rate":
        return ["--g-lr", value, "--d-lr", value]
    if value != "latest":
        raise UsageError(f"--resume-from-checkpoint {value!r}: only `latest` can be given; --resume means the same")
    return ["--resume"]


def parse_seeds(text: str) -> list[int]:
    """`0-31,57` -> [0, ..., 31, 57]; raises UsageError with the form that was expected."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        if not first.isdigit() or (dash and not last.isdigit()) or (dash and int(last) < int(first)):
            raise UsageError(f"--seeds {text!r}: expected numbers and ranges like 0-31,57")
        if dash and int(last) - int(first) > 10_000_000:
            raise UsageError(f"--seeds {text!r}: more than ten million seeds in one range; sample in parts")
        seeds += range(int(first), int(last) + 1) if dash else [int(first)]
    return seeds


def _as_words(name: str, settings: type[BaseModel]) -> type[BaseModel]:
    """Settings with every field optional: what is not typed comes from the recipe, and fits are checked there."""
    typed_as_text = {"resolution", "augment", "matte", "report_to", "domains"}
    fields: dict[str, Any] = {}
    for field, info in settings.model_fields.items():
        kind = str if field in typed_as_text else info.rebuild_annotation()
        fields[field] = (kind | None, _without_default(info))
    return create_model(name, __config__=ConfigDict(frozen=True, extra="forbid"), **fields)


def _without_default(info: Any) -> Any:
    from pydantic import Field

    return Field(default=None, description=info.description)


TrainWords = _as_words("TrainWords", TrainSettings)
DataWords = _as_words("DataWords", DataSettings)
