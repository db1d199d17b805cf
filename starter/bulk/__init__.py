"""Many orders from one file: reading it row by row, checking each row as one order is checked, starting and steering the run."""
