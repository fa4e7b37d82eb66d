"""What others run beside Forecourt, for `forecourt deploy` to print: files for whatever watches it."""
