"""convert."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from ganvas.commands.printing import print_json


def convert(
    file: Path,
    /,
    *,
    to: Path,
    architecture: Annotated[str | None, Parameter(name="--as")] = None,
    degrade: str | None = None,
    as_json: Annotated[bool, Parameter(name="--json", negative=())] = False,
) -> int:
    """Make a model folder of weights of others, for `ganvas apply`: ESRGAN, Real-ESRGAN, CycleGAN, pix2pix, CUT.

    Nothing that a file asks for is run. Known are RRDBNet, MSRResNet, SRVGGNetCompact, and the generators
    resnet_6blocks, resnet_9blocks, unet_128 and unet_256.

    Parameters
    ----------
    file
        A .safetensors, .pth or .pt file of a generator, or a model folder, which is copied.
    to
        The model folder to write, which must not be there.
    architecture
        Which it is, where it is not recognised: rrdbnet, msrresnet, srvggnetcompact, resnet, unet.
    degrade
        What it repairs, for `ganvas evaluate` and `--init-from`, such as blind:4 [default: lowres by its scale].
    as_json
        Print one JSON document and nothing else.
    """
    from ganvas.converting.convert import convert as convert_file

    converted = convert_file(file, to, architecture=architecture, degrade=degrade)
    if as_json:
        print_json(converted.to_json())
        return 0
    print(f"{file}: {converted.words}")
    if converted.note:
        print(f"note: {converted.note}")
    print(f"written to {converted.folder}")
    return 0
