"""GET /metrics: what a Prometheus keeps, in its text format, from the database alone: right with
any number of workers and web servers, and after any restart. One server of a fleet is enough to
ask."""
