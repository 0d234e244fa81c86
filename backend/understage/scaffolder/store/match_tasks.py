"""Permission conditions about tasks as SQL."""

from sqlalchemy import ColumnElement, and_, false, func, not_, or_

from understage.errors import ForeignError
from understage.identity.permissions import SCAFFOLDER_TASK, AllOf, AnyOf, Criteria, Not, Rule
from understage.scaffolder.store.tables import tasks


def match_tasks(criteria: Criteria) -> ColumnElement[bool]:
    """What a task's row satisfies. Raises ForeignError for a rule that tasks do not have."""
    match criteria:
        case AllOf(parts):
            return and_(*(match_tasks(part) for part in parts))
        case AnyOf(parts):
            return or_(*(match_tasks(part) for part in parts))
        case Not(part):
            return not_(match_tasks(part))
        case Rule("IS_TASK_OWNER", resource_type, params) if resource_type == SCAFFOLDER_TASK:
            owners = params.get("createdBy")
            if isinstance(owners, list):
                # Never NULL, which a `not` around it would keep.
                return func.coalesce(tasks.c.created_by.in_([str(owner) for owner in owners]), false())
    raise ForeignError(
        "The permission backend answered with a condition about tasks that is not understood; "
        "known is IS_TASK_OWNER with createdBy"
    )
