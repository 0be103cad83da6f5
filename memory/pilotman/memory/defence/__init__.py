"""Memory that somebody has poisoned: found where it is written, kept from being told, and pulled out."""
