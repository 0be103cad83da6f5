"""What leaves a run: secrets and identifiers in arguments and answers, links, chosen destinations."""
