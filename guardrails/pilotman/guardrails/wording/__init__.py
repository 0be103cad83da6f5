"""Ordinary English, as far as rules need it: verbs, nouns and set phrases, no word of any trade."""
