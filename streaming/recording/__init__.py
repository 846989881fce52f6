"""Recording: what came, what was made of it and what was sent out, in XDF files that survive any end."""
