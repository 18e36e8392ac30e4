"""Everything that an installation needs, looked at piece by piece, with a sentence on how to mend what is wrong."""
