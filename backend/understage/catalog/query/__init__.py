"""From what a client asks to what the store selects: filters, predicates, orders, cursors, projections. Pure."""
