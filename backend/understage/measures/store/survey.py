"""Answers to the survey's question."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from understage.measures.store.tables import survey_answers
from understage.measures.store.upsert import upsert


async def write_answer(
    connection: AsyncConnection, *, question: str, period: str, person: str, score: int, comment: str | None, at: int
) -> None:
    """Keep an answer; the same person's earlier one of the period goes."""
    row = {
        "question": question,
        "period": period,
        "person": person,
        "score": score,
        "comment": comment,
        "at": at,
    }
    replaced = ("score", "comment", "at")
    await upsert(connection, survey_answers, [row], unique=("question", "period", "person"), replace=replaced)


async def select_scores(connection: AsyncConnection, question: str, begin: int, end: int) -> list[int]:
    """Scores that were given from `begin` to before `end`."""
    statement = select(survey_answers.c.score).where(
        survey_answers.c.question == question, survey_answers.c.at >= begin, survey_answers.c.at < end
    )
    return sorted((await connection.execute(statement)).scalars())


async def select_comments(connection: AsyncConnection, question: str, period: str) -> list[tuple[int, str]]:
    """Scores with their comments, by score: the order says nothing about who or when."""
    statement = select(survey_answers.c.score, survey_answers.c.comment).where(
        survey_answers.c.question == question,
        survey_answers.c.period == period,
        survey_answers.c.comment.is_not(None),
    )
    rows = await connection.execute(statement.order_by(survey_answers.c.score, survey_answers.c.comment))
    return [(row[0], row[1]) for row in rows]
