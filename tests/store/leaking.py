"""Actions that tell all they know, and what they and templates make of a secret: for the test of the secret matrix."""

import base64
import hashlib
import html
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote

from understage.model.yaml import dump
from understage.scaffolder.actions import ActionRegistry
from understage.sdk import ActionContext, ActionModel, InputError, Secret, action
from understage.templating import Environment

SECRET = "S3cr3t-Zz81/of+the&User\"é'x"

Make = Callable[[str], str]


@dataclass(frozen=True)
class Transformation:
    """One way to make another text of a secret: by expressions of the language, by the Python of an action, or both."""

    name: str
    expressions: Sequence[str] = ()
    python: Make | None = None

    def results(self) -> set[str]:
        """Everything that comes out, of at least four characters."""
        made = {self.python(SECRET)} if self.python else set()
        environment = Environment()
        for expression in self.expressions:
            made.add(str(environment.render_value(expression, {"secrets": {"token": SECRET}})))
        return {text for text in made if len(text) >= 4}


def _signed(text: str) -> str:
    def sign(plain: str) -> str:
        return "".join(f"{ord(character):03d}" for character in plain)

    return text.derive(sign) if isinstance(text, Secret) else sign(text)


T = "secrets.token"
TRANSFORMATIONS = (
    Transformation("as it is", [f"${{{{ {T} }}}}", "${{ secrets['tok' ~ 'en'] }}"], lambda s: s),
    Transformation("in a sentence", [f"the token is ${{{{ {T} }}}}, they say"], lambda s: f"it is {s}."),
    Transformation("concatenated", [f"${{{{ 'tok_' + {T} + '!' }}}}"], lambda s: "tok_" + s + "!"),
    Transformation("upper case", [f"${{{{ {T} | upper }}}}", f"${{{{ {T}.toUpperCase() }}}}"], lambda s: s.upper()),
    Transformation("lower case", [f"${{{{ {T} | lower }}}}"], lambda s: s.lower()),
    Transformation("title case", [f"${{{{ {T} | title }}}}", f"${{{{ {T} | capitalize }}}}"], lambda s: s.swapcase()),
    Transformation("reversed", [f"${{{{ {T} | reverse }}}}"], lambda s: s[::-1]),
    Transformation("a slice", [f"x${{{{ {T}[3:15] }}}}", f"${{{{ {T}.slice(2, 20) }}}}"], lambda s: s[3:15]),
    Transformation("split and joined", [f"${{{{ {T}.split('-').join('+') }}}}"], lambda s: "+".join(s.split("/"))),
    Transformation("replaced", [f"${{{{ {T} | replace('3', 'e') }}}}"], lambda s: s.replace("3", "e").replace("-", "_")),
    Transformation("by a pattern", [f"${{{{ {T}.replace(r/[^a-z]/gi, '#') }}}}"], _signed),
    Transformation("padded", [f"${{{{ {T} | center(60) }}}}"], lambda s: s.center(60, "~")),
    Transformation("letter by letter", [f"{{% for c in {T} %}}${{{{ c }}}}.{{% endfor %}}"], lambda s: ".".join(s)),
    Transformation("by a macro", [f"{{% macro m(x) %}}<${{{{ x[1:] }}}}>{{% endmacro %}}${{{{ m({T}) }}}}"]),
    Transformation("JSON", [f"${{{{ [{T}] | dump }}}}", "${{ secrets | dump }}"], lambda s: json.dumps({"a": json.dumps(s)})),
    Transformation("YAML", [f"${{{{ {{a: {T}}} | dump }}}}"], lambda s: dump({"password": s})),
    Transformation("percent-encoded", [f"${{{{ {T} | urlencode }}}}"], lambda s: quote(s, safe="")),
    Transformation("HTML", [f"${{{{ {T} | escape }}}}"], html.escape),
    Transformation("base64", (), lambda s: base64.b64encode(f"user:{s}".encode()).decode()),
    Transformation("URL-safe base64 twice", (), lambda s: base64.urlsafe_b64encode(base64.b64encode(s.encode())).decode()),
    Transformation("hexadecimal", (), lambda s: s.encode().hex()),
    Transformation("hashed", (), lambda s: hashlib.sha256(s.encode()).hexdigest()),
    Transformation("hashed for a checksum", (), lambda s: base64.b64encode(hashlib.md5(s.encode()).digest()).decode()),
    Transformation("Python's repr", (), lambda s: ascii(str.__str__(s))),
)  # fmt: skip
BY_NAME = {each.name: each for each in TRANSFORMATIONS}


class LeakInput(ActionModel):
    """`text` after `transformation`, if one is named, goes everywhere; then the action fails in the way that `ending` says."""

    text: str
    transformation: str | None = None
    ending: str | None = None


class LeakOutput(ActionModel):
    text: str


@action("test:leak", description="Tells all it knows", supports_dry_run=True)
async def leak(ctx: ActionContext, input: LeakInput) -> LeakOutput:
    python = BY_NAME[input.transformation].python if input.transformation else None
    text = python(input.text) if python else input.text
    ctx.log.info(text, meta={"text": text})

    async def remember() -> str:
        return text

    assert await ctx.checkpoint(f"{text} is the key", remember) == text
    name = "said" if "/" in text or len(text) > 80 else text
    ctx.workspace.resolve(f"{name}.txt").write_text(text, "utf-8")
    if input.ending == "text":
        raise InputError(f"{text} is of no use")
    if input.ending == "repr":
        raise KeyError(text, [text])
    if input.ending == "attribute":
        getattr(ctx, text)
    return LeakOutput(text=text)


class OwnInput(ActionModel):
    transformation: str


@action("test:leak-own", description="Takes the secret from its context", supports_dry_run=True)
async def leak_own(ctx: ActionContext, input: OwnInput) -> LeakOutput:
    return await leak.handler(ctx, LeakInput(text="x").model_copy(update={"text": _made(ctx, input.transformation)}))


def _made(ctx: ActionContext, transformation: str) -> str:
    python = BY_NAME[transformation].python
    return python(ctx.secrets["token"]) if python else ctx.secrets["token"]


def registry() -> ActionRegistry:
    return ActionRegistry([leak, leak_own])
