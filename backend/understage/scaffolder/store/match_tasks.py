"""Permission conditions about tasks as SQL."""

from sqlalchemy import ColumnElement, and_, false, func, not_, or_

from understage.identity.permissions import AllOf, AnyOf, Criteria, Not, Rule
from understage.identity.rules import texts_of
from understage.scaffolder.rules import unknown
from understage.scaffolder.store.tables import tasks


def match_tasks(criteria: Criteria) -> ColumnElement[bool]:
    """What a task's row satisfies. Raises UnderstageError for a rule that tasks do not have, InputError for
    bad parameters."""
    match criteria:
        case AllOf(parts):
            return and_(*(match_tasks(part) for part in parts))
        case AnyOf(parts):
            return or_(*(match_tasks(part) for part in parts))
        case Not(part):
            return not_(match_tasks(part))
        case Rule("IS_TASK_OWNER", _, params):
            # Never NULL, which a `not` around it would keep.
            return func.coalesce(tasks.c.created_by.in_(texts_of(params, "createdBy")), false())
        case Rule():
            raise unknown(criteria)
