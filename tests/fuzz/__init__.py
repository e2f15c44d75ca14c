"""Files that anyone may hand in, mutated: each is read or refused with an InputError."""
