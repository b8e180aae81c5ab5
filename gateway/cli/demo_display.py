"""What the demo shows: each answer as it streams, the closing table, and how to go on.

On a terminal a line follows the stream; elsewhere (CI, a pipe) there are plain lines only.
"""

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from gateway.cli.demo_conversation import BilledTurn, Decision, Turn
from gateway.core.money import usd_text

# A pipe has no width; prompts are then shown whole.
PLAIN_WIDTH = 150
_ANSWER_CHARACTERS = 100
_BAR_WIDTH = 30  # bar, count and the blanks between
_OTHER_COLUMNS_WIDTH = 68
_PROMPT_WIDTH_MIN = 12
_NANO_PER_MICRO = 1000


class Display:
    def __init__(self, console: Console) -> None:
        self._console = console

    @property
    def width(self) -> int:
        return self._console.width

    def line(self, text: str = "", style: str = "") -> None:
        """A line as it is, however long: what is copied from a terminal must stay whole."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    @contextmanager
    def conversation(self, prompts: int) -> Iterator["Conversation"]:
        columns = (
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[streaming]}", markup=False),
        )
        with Progress(
            *columns,
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        ) as progress:
            task = progress.add_task("", total=prompts, streaming="")

            def show(streaming: str, done: int) -> None:
                progress.update(task, completed=done, streaming=streaming)

            yield Conversation(self, show)

    def table(self, billed: Sequence[BilledTurn]) -> None:
        """What each prompt cost beside what it would have, from the ledger."""
        cost, baseline, saved = (
            _total([one.cost_nano_usd for one in billed]),
            _total([one.baseline_nano_usd for one in billed]),
            _total([one.saved_nano_usd for one in billed]),
        )
        amounts = (("cost", cost), ("always\nstrong", baseline), ("saved", saved))
        table = Table(box=None, pad_edge=False, show_footer=True, header_style="bold")
        table.add_column("prompt", "total", no_wrap=True)
        table.add_column("tier", no_wrap=True)
        table.add_column("model", no_wrap=True)
        table.add_column("tokens\nin+out", _tokens(billed), justify="right", no_wrap=True)
        for heading, amount in amounts:
            table.add_column(f"{heading} µ$", micro_text(amount), justify="right", no_wrap=True)
        for number, one in enumerate(billed, start=1):
            prompt = Text(f"{number:>2} {one.turn.prompt}")
            prompt.truncate(
                max(_PROMPT_WIDTH_MIN, self.width - _OTHER_COLUMNS_WIDTH), overflow="ellipsis"
            )
            table.add_row(
                prompt,
                one.turn.decision.tier,
                one.turn.decision.model,
                f"{one.input_tokens}+{one.output_tokens}",
                micro_text(one.cost_nano_usd),
                micro_text(one.baseline_nano_usd),
                micro_text(one.saved_nano_usd),
            )
        self._console.print(table)
        self.line("1 µ$ is a millionth of a dollar. Figures from the ledger, exact.")
        if cost is not None and baseline and saved is not None:
            self.line(
                f"Cost ${usd_text(cost)}, always strong ${usd_text(baseline)}: "
                f"saved ${usd_text(saved)}, {saved * 100 // baseline} %.",
                style="bold",
            )


class Conversation:
    """Shows one turn after another."""

    def __init__(self, display: Display, show: Callable[[str, int], None]) -> None:
        self._display = display
        self._show = show
        self._turns = 0

    def streaming(self, decision: Decision, answer: str) -> None:
        """One line that ends with the newest words: its width is what the bar leaves."""
        origin = f"{decision.tier} -> {decision.model}: "
        left = max(1, self._display.width - _BAR_WIDTH - len(origin))
        self._show(origin + _one_line(answer)[-left:], self._turns)

    def finished(self, turn: Turn) -> None:
        self._turns += 1
        decision = turn.decision
        self._display.line(f"{self._turns:>2}  {turn.prompt}", style="bold")
        self._display.line(
            f"    {decision.tier}, score {decision.score} -> {decision.model}, "
            f"{micro_text(turn.cost_nano_usd)} µ$",
            style="cyan",
        )
        answer = _one_line(turn.answer)
        shown = answer[:_ANSWER_CHARACTERS] + ("…" if len(answer) > _ANSWER_CHARACTERS else "")
        self._display.line(f"    {shown}", style="dim")
        self._show("", self._turns)


def make_console() -> Console:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # a model may answer what a terminal cannot show
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=PLAIN_WIDTH)


def micro_text(nano_usd: int | None) -> str:
    """Millionths of a dollar with all three decimals: exact, and short enough for a column."""
    if nano_usd is None:
        return "unpriced"
    whole, fraction = divmod(abs(nano_usd), _NANO_PER_MICRO)
    return f"{'-' if nano_usd < 0 else ''}{whole}.{fraction:03d}"


def _one_line(answer: str) -> str:
    """Without line breaks, and without what could steer the terminal."""
    return "".join(each for each in " ".join(answer.split()) if each.isprintable())


def _total(amounts: Sequence[int | None]) -> int | None:
    known = [amount for amount in amounts if amount is not None]
    return sum(known) if len(known) == len(amounts) else None


def _tokens(billed: Sequence[BilledTurn]) -> str:
    return f"{sum(one.input_tokens for one in billed)}+{sum(one.output_tokens for one in billed)}"
