"""Which texts of a running task are secret: those the task was given, and all that templates and actions make of them.

One `Taint` a run, made by `interpreter` and shared by its steps. A string of a template that can see a secret is rendered twice,
with secrets and without: where the two differ, the result is a `Secret`. Outputs of actions in which a secret turns up are
`Secret`s to later steps, and so is what an action makes of a `Secret` by its methods.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import BaseModel, RootModel

from understage.scaffolder.steps.redaction import MASK, Redactor, map_texts, plain, strings_of
from understage.scaffolder.steps.rendering import ExpressionError, Renderer
from understage.sdk.secret import SHARED, Secret
from understage.templating import UNDEFINED

ROOTS = ("secrets", "environment")
"""The names by which expressions see secrets. A template cannot make up a name: it is written there."""
BETWEEN = ("", ",", '","', '", "', "', '", '",\n  "', ", ")
"""What stands between the items of a list when it is shown."""
Context = Mapping[str, Any]


class Taint:
    """What is secret in one run. `redactor` masks it in all that is shown, `lines` even more of it in logs and errors."""

    def __init__(self, secrets: Iterable[str], redactor: Redactor | None = None) -> None:
        self._given = [secret for secret in map(plain, secrets) if len(secret.strip()) > 1]
        self.redactor = redactor or Redactor()
        self.redactor.add(self._given)
        self.lines = Redactor(parent=self.redactor)
        self._derived: dict[str, None] = {}
        self.stored: dict[tuple[str, str], Any] = {}
        """The checkpoints of the task, by step id and key."""

    def secret(self, text: str) -> Secret:
        """`text` as a Secret of this run."""
        text = plain(text)
        return Secret(text, self._note, [part for part in self._given if part in text])

    def hide(self, text: str) -> Secret:
        """`text`, which an action was given from outside, as a Secret of this run and of those that follow it."""
        self._note(text)
        return self.secret(text)

    def learn(self, derived: Iterable[str]) -> None:
        """What an earlier run of the task found to be secret."""
        self.redactor.add(derived)

    def take_derived(self) -> tuple[str, ...]:
        """What was found to be secret since the last call."""
        taken = tuple(self._derived)
        self._derived.clear()
        return taken

    def secret_checkpoints(self) -> tuple[tuple[str, str], ...]:
        """Those that hold what is known to be secret by now."""
        return tuple(place for place, value in self.stored.items() if any(map(self.redactor.finds, strings_of(value))))

    def render(
        self,
        renderer: Renderer,
        raw: Any,
        context: Context,
        closed: Context,
        field: str,
        differs: Callable[[Any, Any], Any] | None = None,
    ) -> Any:
        """As `Renderer.render`, each string that is another one in the context `closed`, which shows no secret, a Secret.

        `differs(opened, shut)` makes something else of the two renderings of such a string; `shut` is None where it fails.
        Raises ExpressionError.
        """
        differs = differs or self._mark_difference
        roots = (*ROOTS, *(name for name, value in context.items() if name not in ROOTS and value != closed.get(name)))
        broken: list[str] = []

        def render(value: Any, place: str) -> Any:
            if isinstance(value, list):
                items = [render(item, f"{place}[{index}]") for index, item in enumerate(value)]
                return [None if item is UNDEFINED else item for item in items]
            if isinstance(value, dict):
                members = {key: render(item, f"{place}.{key}") for key, item in value.items()}
                return {key: item for key, item in members.items() if item is not UNDEFINED}
            opened = renderer.render(value, context, place)
            if not isinstance(value, str) or not any(root in value for root in roots):
                return opened
            try:
                shut = renderer.render(value, closed, place)
            except ExpressionError:
                broken.append(place)
                shut = None
            return opened if opened == shut else differs(opened, shut)

        rendered = render(raw, field)
        if broken:
            # As the stock scaffolder does: it hides all strings of an input that cannot be rendered without secrets.
            self.lines.add(strings_of(rendered))
        return rendered

    def _mark_difference(self, opened: Any, shut: Any) -> Any:
        if isinstance(opened, list) and all(isinstance(item, str) and len(item) < SHARED for item in opened):
            # Letters and syllables are no secrets, one after the other they are.
            for between in BETWEEN:
                self._note(between.join(opened))
        return self.mark(opened, strings_of(opened) - strings_of(shut))

    def mark(self, value: Any, hidden: set[str]) -> Any:
        """`value` with those of its strings that are among `hidden` as Secrets."""

        def change(text: str) -> str:
            if text not in hidden:
                return text
            self._note(text, shortest=2)
            return self.secret(text)

        return map_texts(value, change)

    def mark_found(self, value: Any) -> Any:
        """`value`, the output of an action, with every string in which a secret turns up as a Secret."""
        return self.mark(value, {text for text in strings_of(value) if self.redactor.finds(text)})

    def mark_model(self, model: BaseModel, rendered: Any) -> None:
        """Make Secrets of the texts in a parsed input that are Secrets in `rendered`, which it was parsed from.

        Members that hold any JSON stay as they are: actions hand them on to libraries, some of which take plain texts only.
        """
        if hidden := secrets_in(rendered):
            _mark_members(model, hidden, self)

    def _note(self, text: str, shortest: int = SHARED) -> None:
        text = plain(text)
        if len(text) >= shortest and text not in self._given:
            self._derived.setdefault(text)
            self.redactor.add((text,))


def secrets_in(value: Any) -> set[str]:
    """The texts of all Secrets in a JSON value."""
    if isinstance(value, list):
        return set[str]().union(*map(secrets_in, value))
    if isinstance(value, Mapping):
        return set[str]().union(*map(secrets_in, value.values()))
    return {value.reveal()} if isinstance(value, Secret) else set()


def revealed(value: Any) -> Any:
    """A JSON value with ordinary texts in place of Secrets."""
    return map_texts(value, plain)


def masked(value: Any) -> Any:
    """A JSON value with `***` in place of Secrets."""
    return map_texts(value, lambda text: MASK if isinstance(text, Secret) else text)


def _mark_members(model: BaseModel, hidden: set[str], taint: Taint) -> None:
    if isinstance(model, RootModel):
        # What another plugin's action gets, and nobody here reads: it goes on as JSON.
        model.root = map_texts(model.root, lambda text: taint.secret(text) if text in hidden else text)
        return
    for name in type(model).model_fields:
        # By the dictionary: models may be frozen, and an assignment that is checked makes an ordinary text of a Secret.
        model.__dict__[name] = _marked(model.__dict__.get(name), hidden, taint)


def _marked(value: Any, hidden: set[str], taint: Taint) -> Any:
    if isinstance(value, BaseModel):
        _mark_members(value, hidden, taint)
        return value
    if isinstance(value, list):
        return [_marked(item, hidden, taint) for item in value]
    if type(value) is str and value in hidden:
        return taint.secret(value)
    return value
