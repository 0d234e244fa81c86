"""The section `understage.measures`: what counts as production and as a failure, how often is looked, and the survey."""

from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from understage.config.duration import Duration
from understage.config.section import Boolean, Section, TextList


class SurveySettings(Section):
    """`understage.measures.survey`: the one question, and how often each person may answer it."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{0,62}$")] = "platform"
    question: Annotated[str, StringConstraints(min_length=1, max_length=300)] = (
        "How satisfied are you with the platform that your team builds and runs its services on?"
    )
    period: Literal["month", "quarter", "year"] = "quarter"


class MeasuresSettings(Section):
    """`understage.measures`. `frequency` is the pause between two looks at Argo CD and at tasks that ended."""

    enabled: Boolean = True
    frequency: Duration = Field(default=timedelta(minutes=1))
    production_environments: TextList = ("production",)
    failure_window: Duration = Field(default=timedelta(hours=24))
    survey: SurveySettings = SurveySettings()
