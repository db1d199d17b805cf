"""Everything that one machine needs to try Dialtone: real servers as child processes. Never part of production."""
