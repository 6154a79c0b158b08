"""The command line: each verb parses, calls one library function and formats the answer. Imports no torch by itself."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from cyclopts import App, CycloptsError
from pydantic import ValidationError

from ganvas.commands import applying, augmenting, converting, judging, pictures, training, using
from ganvas.commands.printing import complain
from ganvas.errors import GanvasError
from ganvas.settings import explain
from ganvas.version import __version__
from ganvas.words import translate

app = App(
    name="ganvas",
    version=__version__,
    help="Train, judge and use generative adversarial networks on your own pictures.",
    help_epilogue=(
        "Begin with: ganvas train ./photos --minutes 10\n\n"
        "Flags may be written with - or _. Flags of StyleGAN and diffusers (--outdir, --cfg, --kimg, --cond, --gamma, "
        "--output_dir, --train_batch_size, --mixed_precision, ...) are understood where they mean the same."
    ),
    result_action="return_value",
)
data_app = App(name="data", help="Check and prepare pictures; the built-in data sets; the store of prepared ones.")
app.command(data_app)
app.command(training.train)
app.command(training.sweep)
app.command(using.sample)
app.command(applying.apply)
app.command(converting.convert)
app.command(judging.evaluate)
app.command(judging.compare)
app.command(judging.rate)
app.command(judging.explain_run, name="explain")
app.command(augmenting.augment)
app.command(using.report)
app.command(using.recipes)
app.command(using.doctor)
data_app.command(pictures.list_builtin, name="list")
data_app.command(pictures.check, name="check")
data_app.command(pictures.prepare, name="prepare")
data_app.command(pictures.clear, name="clear")


def main(tokens: list[str] | None = None) -> int:
    """Run one command; errors become one line on stderr and an exit code: 1, or 2 for wrong usage."""
    try:
        words = translate(sys.argv[1:] if tokens is None else tokens)
        answer = app(words, exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return answer if isinstance(answer, int) else 0
    except BrokenPipeError:  # whoever read has seen enough, as `| head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + 13
    except CycloptsError as error:
        cause = error.__cause__
        return complain(explain(cause) if isinstance(cause, ValidationError) else " ".join(str(error).split()), 2)
    except GanvasError as error:
        return complain(str(error), error.exit_code)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return complain(f"{where}{error.strerror or error}", 1)
    except KeyboardInterrupt:
        return complain("interrupted", 130)


def run() -> NoReturn:
    """The console script."""
    code = main()
    if "granian" in sys.modules:
        # Its threads may ask for the interpreter while that is taken down, which would abort the process (Python 3.11).
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    sys.exit(code)
