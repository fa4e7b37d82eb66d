"""What programs may ask and do: functions of a transaction, and one table that makes them routes, a
document, and commands from afar.

A function here is called by the server for `/api/v1`, and by the command line itself where the
database is near. So it imports what is heavy only when it runs, and answers with values."""
