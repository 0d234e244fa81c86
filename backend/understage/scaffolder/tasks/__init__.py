"""Tasks: created, claimed, run step by step, resumed elsewhere when their worker dies."""
